"""Which files a command writes for each of many images: names that are unique, and never those of the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from convworks.errors import InputError


def unique_names(files: Sequence[Path]) -> list[str]:
    """Return a name for each image: its own without suffix; where several share it, with folder, suffix or number."""
    choices = [_choices(file) for file in files]
    counts = Counter(name for texts in choices for name in {text.casefold() for text in texts})
    names = []
    for texts in choices:
        free = [text for text in texts if counts[text.casefold()] == 1]
        number = 2
        while not free:
            if not counts[text := f"{texts[-1]}-{number}".casefold()]:
                free, counts[text] = [f"{texts[-1]}-{number}"], 1
            number += 1
        names.append(free[0])
    return names


def check_outputs(out: Path, paths: Sequence[str], files: Iterable[Path], places: Iterable[Path]) -> None:
    """Refuse a folder `out` that is a file or inside an input folder, or where a place to write is an input."""
    where = f"--out {out}"
    if (out.exists() or out.is_symlink()) and not out.is_dir():
        raise InputError(where, "is no folder", "name a new folder")
    for folder in map(Path, paths):
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise InputError(where, f"lies inside {folder}, which is never written to", "name a place outside")
    if not out.is_dir():
        return
    inputs = {_identity(file) for file in files}
    for place in places:
        if place.exists() and _identity(place) in inputs:
            raise InputError(where, f"would write over the image {place}", "name another folder")


def _choices(file: Path) -> tuple[str, str, str]:
    with_folder = f"{file.absolute().parent.name}-{file.stem}"
    return file.stem, with_folder, f"{with_folder}-{file.suffix[1:]}"


def _identity(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_dev, status.st_ino
