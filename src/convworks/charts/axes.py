"""Panels with axes: map values to positions, choose ticks, format tick labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from convworks.charts.drawing import Line, Shape, remark
from convworks.charts.lettering import Number

Range = tuple[Number, Number]


def linear_ticks(low: Number, high: Number, count: int = 5) -> list[Number]:
    """Return about `count` round values in [low, high]."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((power * factor for factor in (1, 2, 2.5, 5, 10)), key=lambda s: abs(math.log(s / raw)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def log_ticks(low: Number, high: Number) -> list[Number]:
    """Return powers of ten in [low, high], with multiples (3, or 2 and 5) if there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, math.ceil((last - first) / 6))
    for factors in ((1,), (1, 3), (1, 2, 5)):
        ticks = [f * 10.0**p for p in range(first, last + 1, stride) for f in factors]
        ticks = [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if len(ticks) >= 4:
            break
    return ticks or [low, high]


def number(value: Number) -> str:
    """Format a tick value: short, without binary rounding noise."""
    if value and not 1e-4 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:.6f}".rstrip("0").rstrip(".") if value else "0"


def y_labels(y: Range, *, log: bool = False, percent: bool = False) -> list[tuple[float, str]]:
    """Return the ticks of a y axis, and what is written beside them."""
    ticks = log_ticks(*y) if log else linear_ticks(*y)
    return [(tick, number(round(100 * tick, 6)) + " %" if percent else number(tick)) for tick in ticks]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A plotting area in points with ranges x and y; `log` makes the y axis logarithmic."""

    left: Number
    top: Number
    width: Number
    height: Number
    x: Range
    y: Range
    log: bool = False

    def across(self, value: Number) -> float:
        """Return the horizontal position of a value."""
        return self.left + self.width * (value - self.x[0]) / ((self.x[1] - self.x[0]) or 1)

    def up(self, value: Number) -> float:
        """Return the vertical position of a value."""
        low, high, value = (math.log10(v) for v in (*self.y, value)) if self.log else (*self.y, value)
        return self.top + self.height * (1 - (value - low) / ((high - low) or 1))

    def curve(self, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """Return the positions of many points; linear y axis only."""
        (left, right), (low, high) = self.x, self.y
        across = self.left + self.width * (x - left) / ((right - left) or 1)
        return np.stack([across, self.top + self.height * (1 - (y - low) / ((high - low) or 1))], 1)

    def axes(self, *, percent: bool = False, x_ticks: list[Number]) -> list[Shape]:
        """Draw horizontal grid lines with y labels on the left, and x labels below."""
        shapes: list[Shape] = []
        for tick, text in y_labels(self.y, log=self.log, percent=percent):
            y = self.up(tick)
            shapes.append(Line(points=((self.left, y), (self.left + self.width, y)), stroke="grid"))
            shapes.append(remark(self.left - 7, y, text, "end"))
        below = self.top + self.height + 13
        return shapes + [remark(self.across(tick), below, number(tick)) for tick in x_ticks]
