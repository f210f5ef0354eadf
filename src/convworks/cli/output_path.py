"""Where a command writes a file: at the path that is named, or under a default name that is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from convworks.console import say
from convworks.errors import InputError
from convworks.outputs import Protected, check_file, numbered

T = TypeVar("T")


def output_path(
    option: str, out: Path | None, default: Path, protected: Protected, *, suffixes: Sequence[str], overwrite: bool
) -> Path:
    """Return the path of a file: `out`, else `default`, numbered if it exists and may not be replaced.

    Raises InputError for a path that cannot or must not be written.
    """
    path = out if out is not None else default if overwrite else numbered(default)
    check_file(option, path, protected, suffixes=suffixes, overwrite=overwrite)
    return path


def picture_path(
    option: str, out: Path | None, default: Path, protected: Protected, *, suffixes: Sequence[str], overwrite: bool
) -> Path | None:
    """Return the path of a picture of the answer, as `output_path`; None if the default path cannot be written."""
    try:
        return output_path(option, out, default, protected, suffixes=suffixes, overwrite=overwrite)
    except InputError as error:
        if out is not None:
            raise
        say(f"{default}: {error.reason}; the picture was not written; choose a path with {option}")
        return None


def check_optional(
    option: str, out: Path | None, protected: Protected, *, suffixes: Sequence[str], overwrite: bool
) -> None:
    """Refuse a path that cannot or must not be written, and --overwrite without one."""
    if out is not None:
        check_file(option, out, protected, suffixes=suffixes, overwrite=overwrite)
    elif overwrite:
        raise InputError("--overwrite", "needs an output file", f"add {option} FILE")


def attempt(write: Callable[[], T]) -> tuple[T | None, OSError | None]:
    """Write a file beside a finished answer; return what `write` returns, or the error.

    A full disk must not cost users an answer that they have waited for.
    """
    try:
        return write(), None
    except OSError as error:
        return None, error


def failure(write: Callable[[], None]) -> OSError | None:
    """Return the error of writing a file beside an answer: see `attempt`."""
    return attempt(write)[1]
