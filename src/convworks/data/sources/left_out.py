"""Files that a source leaves out, summarised by suffix and folder with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from convworks.data.formats import HEIC_EXTRA
from convworks.data.sources.image_names import is_heic, is_hidden, is_image
from convworks.errors import counted

FOLDERS = 3  # named in a line
KINDS = 3  # named in the one-line summary
BESIDE, HIDDEN, OTHER, EMPTY = "beside the class folders", "hidden", "not images", "empty"
MASKS = "the masks of these images"
NO_HEIC = f"HEIC, for which pillow-heif is not installed: {HEIC_EXTRA}"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """The number of files with one suffix in one folder left out for one reason; a folder has the suffix /."""

    ending: str
    folder: str
    count: int
    reason: str


def reasons(names: Iterable[str]) -> dict[str, str]:
    """Map each file name to the reason why it is left out; a hidden folder ends in a slash."""
    return {name: _reason(name) for name in names}


def group(left_out: Mapping[str, str]) -> list[LeftOut]:
    """Group files by suffix, folder and reason, largest group first."""
    counts = Counter((*_suffix_and_folder(name), reason) for name, reason in left_out.items())
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        LeftOut(ending=ending, folder=folder, count=count, reason=reason) for (ending, folder, reason), count in ranked
    ]


def lines(left_out: Mapping[str, str]) -> list[str]:
    """Return a line for each suffix and reason, naming some of the folders, largest group first."""
    groups: dict[tuple[str, str], list[LeftOut]] = {}
    for entry in group(left_out):
        groups.setdefault((entry.ending, entry.reason), []).append(entry)
    ranked = sorted(groups.items(), key=lambda item: (-sum(entry.count for entry in item[1]), item[0]))
    result = []
    for (ending, reason), parts in ranked:
        folders = ", ".join(entry.folder for entry in parts[:FOLDERS])
        more = f" and {len(parts) - FOLDERS:,} more folders" if len(parts) > FOLDERS else ""
        count = sum(entry.count for entry in parts)
        files = {"/": counted(count, "folder"), "": f"{counted(count, 'file')} without ending"}
        result.append(f"{files.get(ending, f'{count:,} {ending}')} in {folders}{more} ({reason})")
    return result


def line(where: str, left_out: Mapping[str, str]) -> str:
    """Return a one-line summary of what is left out of a source."""
    parts = lines(left_out)
    rest = len(parts) - KINDS
    more = [f"{counted(rest, 'more kind')} (convworks data lists them)"] if rest > 0 else []
    return f"left out of {where}: " + "; ".join(parts[:KINDS] + more)


def remedy(left_out: Iterable[str], otherwise: str) -> str:
    """Return the remedy for a folder without readable images: the missing extra if there is HEIC, else `otherwise`."""
    return HEIC_EXTRA if any(is_heic(name) and not is_hidden(name) for name in left_out) else otherwise


def in_parentheses(left_out: Sequence[str]) -> str:
    """Return, in parentheses, the number of files that are not images, and how many of them are HEIC."""
    heic_count = sum(is_heic(name) and not is_hidden(name) for name in left_out)
    return f"({counted(len(left_out), 'other file')}" + (f", {heic_count} of them HEIC)" if heic_count else ")")


def _reason(name: str) -> str:
    if name.endswith("/") or is_hidden(name):
        return HIDDEN
    if is_image(name):
        return BESIDE
    return NO_HEIC if is_heic(name) else OTHER


def _suffix_and_folder(name: str) -> tuple[str, str]:
    """Return the suffix and the folder of a file, `./` for the root of the source."""
    path = PurePosixPath(name)
    folder = "./" if (parent := str(path.parent)) == "." else f"{parent}/"
    return "/" if name.endswith("/") else path.suffix.lower(), folder
