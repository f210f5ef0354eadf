"""Where convworks may write: never among the data or over an input, and over other files only on request.

All of it is checked before any work is done.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from convworks.errors import InputError
from convworks.files import is_free, path_of, remedy, try_writing

Identity = tuple[int, int]  # device and number: the same for every name of a file or folder


@dataclass(frozen=True, kw_only=True)
class Protected:
    """The input of a command: folders that nothing is written into, and files that are never overwritten.

    A file or folder is protected under any name: a link, another spelling.
    """

    folders: tuple[Path, ...] = ()
    files: tuple[Iterable[Path], ...] = ()  # iterated only if a file would be replaced

    def __add__(self, other: Protected) -> Protected:
        return Protected(folders=self.folders + other.folders, files=self.files + other.files)


def check_file(
    option: str, path: Path, protected: Protected, *, suffixes: Sequence[str], overwrite: bool = False
) -> None:
    """Refuse a path that cannot or must not become a file with one of these suffixes."""
    where = f"{option} {path}"
    if path.suffix.lower() not in suffixes:
        raise InputError(where, f"does not end in {' or '.join(suffixes)}", f"name it {' or '.join(suffixes)}")
    if os.path.isdir(path):
        raise InputError(where, "is a folder", "give the name of a file")
    if _above(where, path.parent) != path.parent:
        raise InputError(where, "its folder does not exist", "create the folder first")
    check_outside(option, path, protected)
    check_replaced(option, [path], protected, overwrite=overwrite)
    _check_writable(option, path, path)


def check_new_folder(option: str, path: Path, protected: Protected) -> None:
    """Refuse a path that cannot or must not become a new folder: it is not empty, protected, or not writable."""
    check_empty(option, path)
    check_folder(option, path, protected)


def check_folder(option: str, path: Path, protected: Protected) -> None:
    """Refuse a folder that is protected, or cannot be created or written into."""
    above = _above(f"{option} {path}", path)
    check_outside(option, path, protected)
    _check_writable(option, path, above / (path.name or "output"))


def check_empty(option: str, path: Path) -> None:
    """Refuse a folder that is not empty."""
    _above(f"{option} {path}", path)
    if not is_free(path):
        raise InputError(f"{option} {path}", "the folder is not empty", "name a new folder")


def check_outside(option: str, path: Path, protected: Protected) -> None:
    """Refuse a path inside a protected folder, by its name or by its target."""
    roots = {identity: folder for folder in protected.folders if (identity := _identity(folder)) is not None}
    for spelling in _spellings(path):
        for above in (spelling, *spelling.parents):
            if (root := roots.get(_identity(above) or (0, 0))) is not None:
                reason = f"is inside {root}, which is never written to"
                raise InputError(f"{option} {path}", reason, "choose a path outside it")


def check_replaced(option: str, paths: Iterable[Path], protected: Protected, *, overwrite: bool) -> None:
    """Refuse paths if one is an input, or exists and must not be replaced."""
    existing = [path for path in paths if os.path.lexists(path)]
    if not existing:
        return
    targets = {identity: path for path in existing if (identity := _identity(path)) is not None}
    for file in chain.from_iterable(protected.files if targets else ()):  # there may be millions: none is kept
        if (target := targets.get(_identity(file) or (0, 0))) is not None:
            reason = f"would overwrite the input {file}"
            raise InputError(f"{option} {target}", reason, "give another name")
    for path in existing:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "a pipe or a device"
            raise InputError(f"{option} {path}", f"is {kind}, not a regular file", "give another name")
    if not overwrite:
        more = f" (with {len(existing) - 1:,} more)" if len(existing) > 1 else ""
        remedy = "add --overwrite to replace it, or give another name"
        raise InputError(f"{option} {existing[0]}", f"already exists{more}", remedy)


def check_name(option: str, path: Path) -> None:
    """Refuse a path whose name is too long, in a folder that may not exist yet."""
    try:
        with suppress(FileNotFoundError):
            (_above(f"{option} {path}", path.parent) / path.name).lstat()
    except OSError as error:
        raise InputError(f"{option} {path}", f"cannot be written ({error.strerror})", remedy(error)) from None


def numbered(path: Path) -> Path:
    """Return the first unused path of x.png, x-2.png, x-3.png and so on."""
    return next(candidate for candidate in numbers(path) if not os.path.lexists(candidate))


def numbers(path: Path) -> Iterator[Path]:
    """Yield the path, then the path with numbers from 2 on after its name."""
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1


def as_path(option: str, text: str | Path | None) -> Path | None:
    """Return the value of an option as a path, None if it is not set.

    An empty text is refused, because as a path it would mean the working directory.
    """
    if text is not None and not str(text).strip():
        raise InputError(option, "is empty", "name a file or a folder")
    return None if text is None else path_of(text)


def _above(where: str, path: Path) -> Path:
    """Return the path or its nearest existing parent; raises InputError if that is not a folder."""
    above = next(folder for folder in (path, *path.parents, Path.cwd()) if os.path.lexists(folder))
    if not above.is_dir():
        what = "is a broken link" if above.is_symlink() and not above.exists() else "is a file"
        raise InputError(where, f"{above} {what}", "name a new folder")
    return above


def _check_writable(option: str, path: Path, target: Path) -> None:
    try:
        try_writing(target)
    except OSError as error:
        raise InputError(f"{option} {path}", f"cannot be written ({error.strerror})", remedy(error)) from None


def _spellings(path: Path) -> list[Path]:
    """Return a path with all links resolved, and with all but the last component resolved."""
    absolute = Path(os.path.abspath(path))
    return [Path(os.path.realpath(path)), Path(os.path.realpath(absolute.parent)) / absolute.name]


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
