"""Where a command may write a file."""

from __future__ import annotations

from pathlib import Path

from convworks.errors import InputError


def check_place(option: str, path: Path, suffixes: tuple[str, ...]) -> None:
    """Refuse a path that cannot become a file of one of these kinds, before any work is done."""
    where = f"{option} {path}"
    if path.suffix.lower() not in suffixes:
        raise InputError(where, f"does not end in {' or '.join(suffixes)}", f"name it {' or '.join(suffixes)}")
    if path.is_dir():
        raise InputError(where, "is a folder", "give the name of a file")
    if not path.absolute().parent.is_dir():
        raise InputError(where, "its folder does not exist", "make the folder first")
