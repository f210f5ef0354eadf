"""What an explanation leaves in its folder: pictures, numbers, and one page of all methods side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from convworks.explain.attribution.explained import Explained
from convworks.explain.attribution.page import SHOWN, image_section, write_explanation
from convworks.explain.attribution.pictures import write_pictures
from convworks.explain.attribution.summary import Summary, summary_of
from convworks.pages.blocks import Section

PAGE = "index.html"


def endings_of(methods: Sequence[str]) -> list[str]:
    """Return what follows the name of an image in its files: pictures, and numbers."""
    return [*(f"-{method}{suffix}" for method in methods for suffix in (".png", ".svg")), ".npz"]


def paths_of(folder: Path, names: Sequence[str], methods: Sequence[str]) -> list[Path]:
    """Return every file that `write_files` writes, for images with these names."""
    return [folder / PAGE, *(folder / f"{name}{ending}" for name in names for ending in endings_of(methods))]


def write_files(folder: Path, names: Sequence[str], groups: Iterable[Explained], title: str) -> Summary:
    """Write the files of each group of images as it comes, the page at the end; return what is on the page.

    The files of an image begin with its name. The title of the page goes on with what is explained.
    """
    sections: list[Section] = []
    parts: list[Summary] = []
    for explained in groups:
        folder.mkdir(parents=True, exist_ok=True)
        done = sum(len(part.names) for part in parts)
        part = summary_of(explained)
        write_pictures(folder, names[done : done + len(part.names)], explained)
        shown = range(min(len(part.names), SHOWN - len(sections)))
        sections += [image_section(index, explained, len(sections) + index + 1) for index in shown]
        parts.append(part)
    summary = parts[0]
    for part in parts[1:]:
        summary = summary.joined(part)
    targets = ", ".join(dict.fromkeys(summary.targets[:3]))
    write_explanation(folder / PAGE, summary, sections, f"{title}: {targets}")
    return summary
