"""Names of shards and tables: the split they belong to, and patterns with braces."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from convworks.data.sources.image_names import is_hidden, is_image
from convworks.data.sources.split_names import ALL, ORDER, split_of, split_within
from convworks.data.sources.walk import children
from convworks.errors import InputError

TAR = ".tar"
MOST = 1_000_000  # names that a pattern may expand to
BRACES = re.compile(r"\{([^{}]*)\}")


def expand(pattern: str) -> list[str]:
    """Expand a pattern with {000..012} or {train,val} to its names, in order; without braces, to itself."""
    parts = BRACES.split(pattern)
    choices = [[part] if index % 2 == 0 else _choices(pattern, part) for index, part in enumerate(parts)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > MOST:
        raise InputError(pattern, f"stands for {count:,} names, at most {MOST:,} are allowed", "correct the braces")
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def by_split(root: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """Group files below `root` by the split in their folder or name; all under ALL if none has one."""
    ordered_names = sorted(names)
    splits = {name: _split(name) for name in ordered_names}
    unassigned = next((name for name in ordered_names if splits[name] is None), None)
    assigned = next((name for name in ordered_names if splits[name] is not None), None)
    if unassigned is not None and assigned is not None:
        reason = f"is in no split, but {assigned} is in {splits[assigned]}"
        raise InputError(root / unassigned, reason, "begin its name with train-, val- or test-, or move it away")
    return {
        split: members
        for split in ORDER
        if (members := [name for name in ordered_names if (splits[name] or ALL) == split])
    }


def list_shards(root: Path) -> list[str]:
    """List the shards in a folder, or in its split folders if it has no others; empty for any other layout."""
    folders, files = children(root)
    if any(map(is_image, files)):
        return []
    if not folders:
        return _shards(files)
    shards: list[str] = []
    for folder in folders:
        if split_of(folder) is None:
            return []
        subfolders, names = children(root / folder)
        if subfolders or not _shards(names) or any(map(is_image, names)):
            return []
        shards += [f"{folder}/{name}" for name in _shards(names)]
    return shards


def ordered(classes: Iterable[str]) -> tuple[str, ...]:
    """Sort classes, numerically if all are numbers, else by name."""
    names = sorted(classes)
    numbers = all(name.isascii() and name.isdigit() and len(name) < 19 for name in names)
    return tuple(sorted(names, key=int)) if numbers else tuple(names)


def _choices(pattern: str, inside: str) -> list[str]:
    ends = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if ends is None:
        return inside.split(",")
    first, last = int(ends[1]), int(ends[2])
    if not first <= last <= first + MOST:
        reason = f"has the range {{{inside}}}, which is " + ("empty" if last < first else "too long")
        raise InputError(pattern, reason, "write the smaller number first")
    return [str(number).zfill(len(ends[1])) for number in range(first, last + 1)]


def _shards(files: Iterable[str]) -> list[str]:
    return [name for name in files if name.lower().endswith(TAR) and not is_hidden(name)]


def _split(name: str) -> str | None:
    """Return the split named by the folder of a file, else by its name, or None."""
    *folders, file = name.split("/")
    return next((split for folder in folders if (split := split_of(folder)) is not None), split_within(file))
