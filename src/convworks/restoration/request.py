"""The options of a restoration, checked before any work. Nothing here imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

from convworks.errors import InputError
from convworks.hardware import DEVICES, check_precision, is_device
from convworks.restoration.problems import Fitting, Problem, fitting_of, problem_of
from convworks.restoration.rules import ITERATIONS, Rule, rule_of

SCALES = (2, 8)  # smallest and largest
MOST = 16  # runs, or samples
WHOLE, NUMBER, TEXT = (Integral, "a whole number"), (Real, "a number"), (str, "a text")
#: What each option is, as a caller in Python may give another type; True is no number.
KINDS: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("scale", "samples", "runs", "iterations", "seed"), WHOLE),
    "minutes": NUMBER,
    **dict.fromkeys(("model", "stop", "device", "precision"), TEXT),
}
OPTIONAL = ("scale", "runs", "iterations", "model", "stop")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be done to each picture; None is the default of the problem."""

    problem: str
    scale: int | None = None
    minutes: float = 5.0
    samples: int = 1
    runs: int | None = None
    model: str | None = None
    stop: str | None = None
    iterations: int | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Request:
        """Return the request in the arguments of a public function: its `locals()`, those named like a field."""
        return cls(**{field.name: arguments[field.name] for field in fields(cls)})

    @property
    def table(self) -> Problem:
        """The row of the problem."""
        return problem_of(self.problem)

    @property
    def network(self) -> str:
        """The name of the network."""
        return self.model or self.table.model

    @property
    def fitting(self) -> Fitting:
        """How the network is fitted."""
        return fitting_of(self.network)

    @property
    def rule(self) -> Rule:
        """The stopping rule."""
        return rule_of(self.stop or self.table.rule)

    @property
    def why(self) -> str:
        """What the rule does, and for the default rule of the problem, why it is that."""
        because = self.table.because if self.rule.name == self.table.rule else ""
        return f"{because}; {self.rule.why}" if because else self.rule.why

    @property
    def limit(self) -> int | None:
        """The largest number of iterations of a run, if there is one."""
        published = self.table.iterations if self.rule.name == ITERATIONS else None
        return self.iterations or published

    @property
    def averaged(self) -> int:
        """The number of runs that are averaged if the time allows; samples are not."""
        if self.samples > 1:
            return 1
        return self.table.runs if self.runs is None else self.runs

    @property
    def factor(self) -> int:
        """How many times as many pixels a restored picture has on each side."""
        return self.scale or self.table.scale


def check(request: Request) -> None:
    """Raise InputError for the first option that is wrong or does nothing."""
    for name, (kind, words) in KINDS.items():
        value = getattr(request, name)
        if isinstance(value, bool) or (not isinstance(value, kind) and (value is not None or name not in OPTIONAL)):
            raise InputError(f"--{name}", f"must be {words}, not {value!r}", f"give {words}")
    problem = request.table
    fitting_of(request.network)
    rule_of(request.rule.name)
    if request.scale is not None and problem.scale == 1:
        raise InputError("--scale", "is for superres", "leave it out")
    if request.scale is not None and not SCALES[0] <= request.scale <= SCALES[1]:
        raise InputError(f"--scale {request.scale}", f"must be from {SCALES[0]} to {SCALES[1]}", "4 is published")
    if request.samples != 1 and not problem.composed:
        raise InputError("--samples", "is for inpaint, where images differ in what is filled in", "leave it out")
    if request.samples > 1 and request.runs not in (None, 1):
        raise InputError(f"--runs {request.runs}", "are averaged, but samples are not", "leave it out, or --samples")
    for option, value in (("--samples", request.samples), ("--runs", request.averaged)):
        if not 1 <= value <= MOST:
            raise InputError(f"{option} {value}", f"must be from 1 to {MOST}", "give a smaller number")
    if request.iterations is not None and request.iterations < 1:
        raise InputError(
            f"--iterations {request.iterations}", "must be at least 1", f"{problem.iterations} is published"
        )
    if not (request.minutes > 0 and math.isfinite(request.minutes)):
        raise InputError(f"--minutes {request.minutes:g}", "must be above 0 and finite", "5 is the default")
    if not 0 <= request.seed < 2**32:
        raise InputError(f"--seed {request.seed}", "must be from 0 to 4294967295", "0 is the default")
    if not is_device(request.device):
        raise InputError(f"--device {request.device}", f"must be {DEVICES}", "use auto or cpu")
    check_precision(request.precision)
