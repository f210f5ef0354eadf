"""What trackers are given."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """A value of a metric after so many steps; `when` in seconds since 1970."""

    name: str
    value: float
    step: int
    when: float
