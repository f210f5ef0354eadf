"""The configuration of a learning rate range test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from convworks.errors import InputError

EXPLOSION = 4.0  # times the lowest mean loss so far: the sweep stops
FEWEST, MOST = 10, 1_000_000
#: Why no rate is suggested, where more steps would not help.
NEVER_FELL = "the loss never fell"


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A geometric sequence of `steps` learning rates from `lowest` to `highest`; InputError for invalid values."""

    lowest: float = 1e-5
    highest: float = 10.0
    steps: int = 100

    def __post_init__(self) -> None:
        for option, rate in (("--from", self.lowest), ("--to", self.highest)):
            if not 0 < rate < math.inf:
                raise InputError(option, f"must be a learning rate above 0, not {rate:g}", f"write {option} 0.001")
        if not self.lowest < self.highest:
            raise InputError("--to", f"{self.highest:g} is not above --from {self.lowest:g}", "give a wider range")
        if not FEWEST <= self.steps <= MOST:
            reason = f"must be from {FEWEST} to {MOST:,}, not {self.steps}"
            raise InputError("--steps", reason, "write --steps 100")

    def rates(self) -> tuple[float, ...]:
        """Return the learning rate of each step, both ends included."""
        fractions = [number / (self.steps - 1) for number in range(self.steps)]
        return tuple(
            self.lowest ** (1 - fraction) * self.highest**fraction for fraction in fractions
        )  # their ratio may overflow
