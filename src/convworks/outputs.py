"""Where convworks may write: never among the data or over an input, and over other files only where that is asked for.

All of it is checked before any work is done.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convworks.errors import InputError
from convworks.files import is_free, path_of, remedy, try_writing

Identity = tuple[int, int]  # device and number: the same for every name of a file or folder


@dataclass(frozen=True, kw_only=True)
class Protected:
    """What a command reads: folders, below which nothing is written, and files, over which nothing is written.

    A file or folder counts by whatever name it is called: a link, another spelling.
    """

    folders: tuple[Path, ...] = ()
    files: tuple[Iterable[Path], ...] = ()  # gone through only where something would be replaced

    def __add__(self, other: Protected) -> Protected:
        return Protected(folders=self.folders + other.folders, files=self.files + other.files)


def check_file(
    option: str, path: Path, protected: Protected, *, suffixes: Sequence[str], overwrite: bool = False
) -> None:
    """Refuse a path that cannot or shall not become a file of one of these kinds, before any work is done."""
    where = f"{option} {path}"
    if path.suffix.lower() not in suffixes:
        raise InputError(where, f"does not end in {' or '.join(suffixes)}", f"name it {' or '.join(suffixes)}")
    if os.path.isdir(path):
        raise InputError(where, "is a folder", "give the name of a file")
    if _above(where, path.parent) != path.parent:
        raise InputError(where, "its folder does not exist", "make the folder first")
    check_outside(option, path, protected)
    check_replaced(option, [path], protected, overwrite=overwrite)
    _check_writable(option, path, path)


def check_new_folder(option: str, path: Path, protected: Protected) -> None:
    """Refuse a path that cannot or shall not become a folder: something is in it, or it cannot be written."""
    check_empty(option, path)
    check_folder(option, path, protected)


def check_folder(option: str, path: Path, protected: Protected) -> None:
    """Refuse a folder among what is read, and one that cannot be made or written into."""
    above = _above(f"{option} {path}", path)
    check_outside(option, path, protected)
    _check_writable(option, path, above / (path.name or "output"))


def check_empty(option: str, path: Path) -> None:
    """Refuse a folder that something is in already."""
    _above(f"{option} {path}", path)
    if not is_free(path):
        raise InputError(f"{option} {path}", "the folder is not empty", "give the name of a new folder")


def check_outside(option: str, path: Path, protected: Protected) -> None:
    """Refuse a path below a folder that is read: by its name, or by what it leads to."""
    roots = {identity: folder for folder in protected.folders if (identity := _identity(folder)) is not None}
    for place in _spellings(path):
        for above in (place, *place.parents):
            if (root := roots.get(_identity(above) or (0, 0))) is not None:
                reason = f"lies inside {root}, which is never written to"
                raise InputError(f"{option} {path}", reason, "name a place outside")


def check_replaced(option: str, paths: Iterable[Path], protected: Protected, *, overwrite: bool) -> None:
    """Refuse paths of which one is an input, or exists already, unless it may be replaced."""
    taken = [path for path in paths if os.path.lexists(path)]
    if not taken:
        return
    inputs = {_identity(file): file for files in protected.files for file in files}
    for path in taken:
        if (identity := _identity(path)) is not None and identity in inputs:
            reason = f"would write over {inputs[identity]}, which is read"
            raise InputError(f"{option} {path}", reason, "give another name")
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            what = "a folder" if path.is_dir() else "a pipe or a device"
            raise InputError(f"{option} {path}", f"is {what}, not a regular file", "give another name")
    if not overwrite:
        more = f" (with {len(taken) - 1:,} more)" if len(taken) > 1 else ""
        way_out = "add --overwrite to replace what is there, or give another name"
        raise InputError(f"{option} {taken[0]}", f"exists already{more}", way_out)


def numbered(path: Path) -> Path:
    """Return the path, or with the first number behind its name that is free: x.png, x-2.png, x-3.png."""
    return next(each for each in numbers(path) if not os.path.lexists(each))


def numbers(path: Path) -> Iterator[Path]:
    """Yield the path, and then the same with numbers from 2 on behind its name."""
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1


def as_path(option: str, text: str | Path | None) -> Path | None:
    """Return where somebody wants something written; an empty text is refused, which as a path is the working folder.

    None where it is not said.
    """
    if text is not None and not str(text).strip():
        raise InputError(option, "is empty", "name a file or a folder")
    return None if text is None else path_of(text)


def _above(where: str, path: Path) -> Path:
    """Return the folder, or the first above it that is there; InputError where that is none."""
    above = next(each for each in (path, *path.parents, Path.cwd()) if os.path.lexists(each))
    if not above.is_dir():
        what = "is a link that leads nowhere" if above.is_symlink() and not above.exists() else "is a file"
        raise InputError(where, f"{above} {what}", "give the name of a new folder")
    return above


def _check_writable(option: str, path: Path, place: Path) -> None:
    try:
        try_writing(place)
    except OSError as error:
        raise InputError(f"{option} {path}", f"cannot be written ({error.strerror})", remedy(error)) from None


def _spellings(path: Path) -> list[Path]:
    """Return what a path is once its links are followed: all of them, and all but its own."""
    absolute = Path(os.path.abspath(path))
    return [Path(os.path.realpath(path)), Path(os.path.realpath(absolute.parent)) / absolute.name]


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
