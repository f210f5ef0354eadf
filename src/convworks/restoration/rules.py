"""When to stop without the truth: rules that compare the iterations of one fit, and what each of them says.

A rule looks at one number an iteration, the smaller the better, and stops when that has not fallen for some iterations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from convworks.errors import InputError, nearest

HELD_OUT, MOVING_VARIANCE, ITERATIONS = "held-out", "moving-variance", "iterations"
#: What ends a fit, besides the rules: the second, that another run still fits the time.
TIME, SHARE, DIVERGED = "time", "another run", "divergence"
#: Part of the observed pixels that the network is not fitted to, by the rule that compares it with them.
FRACTION = 0.05
#: Number of outputs that the moving variance is that of, as published.
WINDOW = 100


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A stopping rule: `patience` is the number of iterations without a new minimum after one at iteration n.

    Chosen is the last iteration whose number is at most `tolerance` above the lowest, as a fraction of it. `why` says
    in the output what it does.
    """

    name: str
    patience: Callable[[int], float]
    why: str
    tolerance: float = 0.0


RULES: Mapping[str, Rule] = {
    HELD_OUT: Rule(
        name=HELD_OUT,
        patience=lambda n: max(300, n // 3),
        # Those that are fitted gain from some more iterations than those that are not (docs/restore.md, the table).
        tolerance=0.003,
        why=f"{FRACTION:.0%} of the pixels are not fitted: if noise is independent from pixel to pixel, the error "
        "there is lowest when that of the whole image is",
    ),
    MOVING_VARIANCE: Rule(
        name=MOVING_VARIANCE,
        patience=lambda _: 1000,
        why=f"the variance of {WINDOW} outputs (ES-WMV) is lowest before noise is fitted",
    ),
    ITERATIONS: Rule(
        name=ITERATIONS,
        patience=lambda _: math.inf,
        why="a fixed number of iterations, the published one if none is given",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Best:
    """The iteration that a rule has chosen so far, the lowest number, and where that was."""

    iteration: int = 0
    value: float = math.inf
    lowest: int = 0

    def after(self, iteration: int, value: float, tolerance: float = 0.0) -> Best:
        """Return the best iteration after another one."""
        if value < self.value:
            return Best(iteration=iteration, value=value, lowest=iteration)
        near = tolerance > 0 and value <= (1 + tolerance) * self.value < math.inf
        return replace(self, iteration=iteration) if near else self


def rule_of(name: str) -> Rule:
    """Return a rule by name; InputError for an unknown one."""
    if name not in RULES:
        reason = f"there is no rule {name!r}{nearest(name, RULES)}"
        raise InputError("--stop", reason, f"choose from {', '.join(RULES)}")
    return RULES[name]


def stopped(rule: Rule, best: Best, iteration: int) -> bool:
    """Return whether a rule stops after an iteration."""
    return best.lowest > 0 and iteration - best.lowest >= rule.patience(best.lowest)
