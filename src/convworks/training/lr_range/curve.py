"""The curve of a range test: smoothed, with its noise, and the first valley of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from convworks.training.lr_range.config import NEVER_FELL

SPREAD = 0.03  # standard deviation of the smoothing, as a fraction of the sweep
START = 0.1  # fraction of the sweep whose mean is the loss before anything is learnt
LAST = 0.05  # fraction of the sweep: a lowest loss there is no valley yet
RISE = 0.1  # fraction of the fall of the loss: a valley ends where the loss has risen by this much
DEAD = 0.3  # the same fraction: after such a rise, a lower loss is that of a network that guesses
BEYOND = 3.0  # standard errors from which a difference is no chance
WIDEST = 1.5  # decades of the rate from the lowest loss to its rise: wider, and the rise has hardly been seen
CLEAR = 6.0  # standard errors that a fall must have to be read
NORMAL = 0.6745  # median of |x| of a normal distribution of standard deviation 1
FLOOR = 0.1  # fraction of the first losses that is added: near 0 a loss is compared by its differences
SMALLEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A smoothed loss, and the standard error of each value: of log(loss + offset), or of the loss if `offset` is None.

    `start` is the mean over the first steps with its standard error.
    """

    level: Float64[np.ndarray, " n"]
    error: Float64[np.ndarray, " n"]
    start: tuple[float, float]
    offset: float | None
    planned: int

    def losses(self) -> list[float]:
        """Return the smoothed losses."""
        values = self.level if self.offset is None else np.exp(self.level) - self.offset
        losses: list[float] = values.tolist()
        return losses

    def fall(self, step: int) -> float:
        """Return how far the loss has fallen at a step."""
        return max(0.0, self.start[0] - float(self.level[step]))

    def falls(self, step: int, errors: float) -> bool:
        """Return whether the loss has fallen by more than so many standard errors."""
        return self.fall(step) > errors * float(np.hypot(self.start[1], self.error[step]))

    def rises(self, lowest: int, step: int, fraction: float) -> bool:
        """Return whether the loss is higher than at its lowest, by more than a fraction of its fall and than chance."""
        chance = BEYOND * float(np.hypot(self.error[lowest], self.error[step]))
        return bool(self.level[step] - self.level[lowest] > max(fraction * self.fall(lowest), chance))


@dataclass(frozen=True, kw_only=True)
class Valley:
    """The steps of the lowest loss and of the last before it rises; `unclear` says why they cannot be read."""

    lowest: int
    end: int
    falling: bool
    unclear: str = ""


def smooth(losses: Sequence[float], planned: int) -> Curve:
    """Smooth by local linear regression of the logarithms, where all losses are positive, with Gaussian weights.

    A trailing mean would lag behind the rates, a centred one be too high at the ends where the loss falls; and a bad
    batch at a high rate would lift its neighbours. The noise is the median difference of successive losses near a step.
    """
    values = np.asarray(losses, np.float64)
    first = max(1, min(len(values), round(START * planned)))
    offset = FLOOR * float(values[:first].mean()) if (values > 0).all() else None
    values = values if offset is None else np.log(values + offset)
    spread = max(1.0, SPREAD * planned)
    weights = _local_linear(len(values), spread)
    noise = _noise(values, round(3 * spread))
    return Curve(
        level=weights @ values,
        error=noise * np.sqrt((weights**2).sum(1)),
        start=(float(values[:first].mean()), float(noise[0]) / first**0.5),
        offset=offset,
        planned=planned,
    )


def first_valley(curve: Curve, rates: Sequence[float], *, exploded: bool) -> Valley:
    """Return the first valley of a curve: where the loss has fallen, until it rises for good.

    A lower loss counts if it comes before the network is dead, and beyond chance. A loss that neither rises nor
    explodes within reach is not read: its flat end may be that of a network that guesses.
    """
    lowest, rise = 0, None
    for step in range(1, len(curve.level)):
        lower = curve.level[step] < curve.level[lowest]
        if lower and (rise is None or curve.rises(step, lowest, RISE)):
            lowest, rise = step, None
        elif rise is None and curve.falls(lowest, BEYOND) and curve.rises(lowest, step, RISE):
            rise = step
        if curve.falls(lowest, BEYOND) and curve.rises(lowest, step, DEAD):
            break
    last = len(curve.level) - 1
    end = last if rise is None else rise - 1
    falling = rise is None and not exploded and lowest >= (1 - LAST) * last
    unclear = ""
    if not curve.falls(lowest, BEYOND if exploded else 0.0):  # it explodes at once
        unclear = NEVER_FELL
    elif not curve.falls(lowest, CLEAR):
        unclear = "the loss is too noisy to see how far it falls"
    elif not falling and np.log10(rates[end] / rates[lowest]) > WIDEST:
        unclear = "the loss is too noisy to see where it rises"
    return Valley(lowest=lowest, end=end, falling=falling and not unclear, unclear=unclear)


def _local_linear(count: int, spread: float) -> Float64[np.ndarray, "n n"]:
    """Return the weights of local linear regression at each of so many steps."""
    steps = np.arange(count)
    distance = (steps - steps[:, None]).astype(np.float64)
    weights = np.exp(-0.5 * (distance / spread) ** 2)
    sums = [(weights * distance**power).sum(1, keepdims=True) for power in (0, 1, 2)]
    determinant = sums[0] * sums[2] - sums[1] ** 2
    local: Float64[np.ndarray, "n n"] = weights * (sums[2] - sums[1] * distance) / np.maximum(determinant, SMALLEST)
    return local if count > 1 else np.ones((1, 1))


def _noise(values: Float64[np.ndarray, " n"], reach: int) -> Float64[np.ndarray, " n"]:
    """Return the standard deviation near each step, from the median difference of successive values."""
    differences = np.abs(np.diff(values)) if len(values) > 1 else np.zeros(1)
    medians = [np.median(differences[max(0, step - reach) : step + reach + 1]) for step in range(len(values))]
    return np.asarray(medians) / (NORMAL * 2**0.5)
