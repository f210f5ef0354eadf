"""Methods, classes and units as users name them; nothing here imports PyTorch, so a misspelt one is refused at once."""

from __future__ import annotations

from collections.abc import Sequence

from convworks.errors import InputError, nearest

#: The methods, in the order in which they are shown: those of the table in methods.py.
METHODS = (
    "gradient",
    "gradient-x-input",
    "integrated-gradients",
    "smoothgrad",
    "guided-backpropagation",
    "deconvnet",
    "grad-cam",
    "cam",
    "occlusion",
)
ALL = "all"
CLASSES = 12  # that a message lists
DIGITS = 18  # of an index; no axis is longer


def named_methods(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of methods, each once; `all` stands for all. InputError for an unknown one."""
    chosen = [each for name in names for each in (METHODS if name == ALL else [name])]
    for name in chosen:
        if name not in METHODS:
            reason = f"there is no method {name!r}{nearest(name, METHODS)}"
            raise InputError("--method", reason, f"choose from {', '.join(METHODS)}, or all")
    if not chosen:
        raise InputError("--method", "is empty", f"choose from {', '.join(METHODS)}, or all")
    return tuple(dict.fromkeys(chosen))


def class_number(classes: Sequence[str], name: str) -> int:
    """Return the number of a class by its name, or by its number; InputError for one that is not there."""
    if name in classes:
        return classes.index(name)
    if _is_index(name) and int(name) < len(classes):
        return int(name)
    listed = ", ".join(classes[:CLASSES]) + (", ..." if len(classes) > CLASSES else "")
    raise InputError("--class", f"there is no class {name!r}{nearest(name, classes)}", f"classes: {listed}")


def parse_unit(text: str) -> tuple[str, tuple[int, ...]]:
    """Return tap and index of a unit written as TAP:12,3,5; InputError for anything else."""
    tap, colon, numbers = text.rpartition(":")
    entries = numbers.split(",")
    if not tap or not colon or not all(map(_is_index, entries)):
        raise InputError("--unit", f"{text!r} is not a unit", "write TAP:CHANNEL,Y,X, such as stage1.conv:12,3,5")
    return tap, tuple(int(entry) for entry in entries)


def parse_pixel(text: str) -> tuple[int, ...]:
    """Return row and column written as 40,60; InputError for anything else."""
    entries = text.split(",")
    if not all(map(_is_index, entries)):
        raise InputError("--pixel", f"{text!r} is not a pixel", "write ROW,COLUMN, such as 40,60")
    return tuple(int(entry) for entry in entries)


def _is_index(text: str) -> bool:
    return text.strip().isdecimal() and len(text) <= DIGITS
