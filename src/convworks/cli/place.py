"""Where a command writes a file: as people say, or under a name of its own that is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from convworks.console import say
from convworks.errors import InputError
from convworks.outputs import Protected, check_file, numbered

T = TypeVar("T")


def place_of(
    option: str, out: Path | None, default: Path, protected: Protected, *, suffixes: Sequence[str], overwrite: bool
) -> Path:
    """Return where a file goes: `out`, else `default`, which gets a number where it is there and may not be replaced.

    Raises InputError for a place that cannot or shall not be written.
    """
    path = out if out is not None else default if overwrite else numbered(default)
    check_file(option, path, protected, suffixes=suffixes, overwrite=overwrite)
    return path


def picture_place(
    option: str, out: Path | None, default: Path, protected: Protected, *, suffixes: Sequence[str], overwrite: bool
) -> Path | None:
    """Do as `place_of` for a picture of the answer, which is wanted without it too: None where nobody said where."""
    try:
        return place_of(option, out, default, protected, suffixes=suffixes, overwrite=overwrite)
    except InputError as error:
        if out is not None:
            raise
        say(f"{default}: {error.reason}; the picture is left out, name a place with {option}")
        return None


def check_optional(
    option: str, out: Path | None, protected: Protected, *, suffixes: Sequence[str], overwrite: bool
) -> None:
    """Refuse a place that cannot or shall not be written, and --overwrite where nothing is."""
    if out is not None:
        check_file(option, out, protected, suffixes=suffixes, overwrite=overwrite)
    elif overwrite:
        raise InputError("--overwrite", "replaces a file, but none is written", f"give {option} FILE too")


def attempt(write: Callable[[], T]) -> tuple[T | None, OSError | None]:
    """Write beside an answer that is there already; return what that gives, or what went wrong.

    People have waited for the answer: it is not taken from them where the disk is full.
    """
    try:
        return write(), None
    except OSError as error:
        return None, error


def failure(write: Callable[[], None]) -> OSError | None:
    """Return what went wrong when a file was written beside an answer: see `attempt`."""
    return attempt(write)[1]
