"""Validation of whole numbers: sizes, strides, groups, indices. NumPy integers are valid, 1.5 is not truncated."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from convworks.errors import InputError

#: A whole number: an int, or an integer of NumPy.
Whole = int | np.integer
#: One number for all axes, or one for each.
PerAxis = Whole | Sequence[Whole]


def whole(name: str, value: object, *, least: int | None = 1) -> int:
    """Return a whole number as an int; InputError for anything else and for numbers below `least`."""
    number = _index(value)
    if number is None:
        raise InputError(name, f"{name}={value!r} must be a whole number", "give an int")
    if least is not None and number < least:
        remedy = "give a positive whole number" if least == 1 else f"give {least} or more"
        raise InputError(name, f"{name}={number} must be at least {least}", remedy)
    return number


def wholes(name: str, values: object, *, least: int | None = 1) -> tuple[int, ...]:
    """Return a sequence of whole numbers, one for each axis; InputError for a single number."""
    sequence = entries(values)
    if sequence is None:
        raise InputError(name, f"{name}={values!r} must be a sequence, one whole number for each axis", "write (2, 2)")
    return tuple(whole(name, entry, least=least) for entry in sequence)


def per_axis(name: str, value: object, rank: int, *, least: int = 1) -> tuple[int, ...]:
    """Return one number for each of `rank` axes, from one for all or a sequence; InputError for another count."""
    sequence = entries(value)
    values = (value,) * rank if sequence is None else sequence
    if len(values) != rank:
        raise InputError(name, f"{value} must be one number, or one for each of {rank} axes", "leave out or add some")
    return tuple(whole(name, entry, least=least) for entry in values)


def entries(value: Any) -> tuple[object, ...] | None:
    """Return the entries of a sequence, or None for a single value."""
    if isinstance(value, str) or _index(value) is not None:
        return None
    try:
        return tuple(value)
    except TypeError:
        return None


def _index(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:  # also for arrays of several integers
        return None
