"""A point of a tracked metric."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """The value of a metric after a step; `when` in seconds since 1970."""

    name: str
    value: float
    step: int
    when: float
