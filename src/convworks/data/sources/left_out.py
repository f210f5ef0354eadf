"""What a source leaves out, told by ending and folder with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from convworks.data.formats import HEIC_EXTRA
from convworks.data.sources.image_names import is_heic, is_hidden, is_image

FOLDERS = 3  # so many are named in a line
KINDS = 3  # in the one line for all
BESIDE, HIDDEN, OTHER, EMPTY = "beside the class folders", "hidden", "not images", "empty"
NO_HEIC = f"HEIC, for which pillow-heif is not installed: {HEIC_EXTRA}"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """So many files of one ending in one folder that are left out for one reason; a folder has the ending /."""

    ending: str
    folder: str
    count: int
    reason: str


def reasons(names: Iterable[str]) -> dict[str, str]:
    """Return why each file is no image of a class, by its name; a hidden folder has a slash at its end."""
    return {name: _reason(name) for name in names}


def group(left_out: Mapping[str, str]) -> list[LeftOut]:
    """Put together what has one ending, one folder and one reason, the most first."""
    counts = Counter((*_place(name), reason) for name, reason in left_out.items())
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [LeftOut(ending=e, folder=f, count=count, reason=r) for (e, f, r), count in ranked]


def lines(left_out: Mapping[str, str]) -> list[str]:
    """Write a line for each ending and reason, with some of the folders, the most files first."""
    together: dict[tuple[str, str], list[LeftOut]] = {}
    for each in group(left_out):
        together.setdefault((each.ending, each.reason), []).append(each)
    ranked = sorted(together.items(), key=lambda item: (-sum(each.count for each in item[1]), item[0]))
    written = []
    for (ending, reason), parts in ranked:
        folders = ", ".join(each.folder for each in parts[:FOLDERS])
        more = f" and {len(parts) - FOLDERS:,} more folders" if len(parts) > FOLDERS else ""
        count = sum(each.count for each in parts)
        kind = {"/": _plural("folder", count), "": f"{_plural('file', count)} without ending"}.get(ending, ending)
        written.append(f"{count:,} {kind} in {folders}{more} ({reason})")
    return written


def line(where: str, left_out: Mapping[str, str]) -> str:
    """Say in one line what is left out of a source."""
    written = lines(left_out)
    rest = len(written) - KINDS
    more = [f"{rest:,} more {'kind' if rest == 1 else 'kinds'} (convworks data lists them)"] if rest > 0 else []
    return f"left out of {where}: " + "; ".join(written[:KINDS] + more)


def remedy(left_out: Iterable[str], otherwise: str) -> str:
    """Return how to have images where none can be read: what is missing for HEIC where there is some."""
    return HEIC_EXTRA if any(is_heic(name) and not is_hidden(name) for name in left_out) else otherwise


def counted(left_out: Sequence[str]) -> str:
    """Say in brackets how many files are no images where images are missed, and how many of these are HEIC."""
    heic = sum(is_heic(name) and not is_hidden(name) for name in left_out)
    return f"({len(left_out)} other {_plural('file', len(left_out))}" + (f", {heic} of them HEIC)" if heic else ")")


def _reason(name: str) -> str:
    if name.endswith("/") or is_hidden(name):
        return HIDDEN
    if is_image(name):
        return BESIDE
    return NO_HEIC if is_heic(name) else OTHER


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _place(name: str) -> tuple[str, str]:
    """Return the ending and the folder of a file, `./` for the source itself."""
    path = PurePosixPath(name)
    folder = "./" if (parent := str(path.parent)) == "." else f"{parent}/"
    return "/" if name.endswith("/") else path.suffix.lower(), folder
