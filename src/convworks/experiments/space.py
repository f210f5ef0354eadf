"""The search space of tuning: configuration fields, each with a range or choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from convworks.config import Config, full_name, override
from convworks.errors import InputError

Value = float | int | str
FORMS = "write field=0.1..0.9, field=log:1e-4..1, field=int:1..9, field=intlog:8..512 or field=a,b,c"
KINDS: dict[str, Literal["float", "log", "int", "intlog"]] = {
    "float": "float",
    "uniform": "float",
    "log": "log",
    "int": "int",
    "intlog": "intlog",
}
AROUND = 30.0  # the default search spans the recipe's values divided and multiplied by this factor
DECAY = (1e-6, 1e-2)  # range of weight decay, if the recipe has none


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A field with its bounds (kind float, log, int, intlog), or its choices, written as for --set."""

    field: str
    kind: Literal["float", "log", "int", "intlog", "choice"]
    low: float | int = 0
    high: float | int = 0
    choices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The dimension in the syntax of --search."""
        if self.kind == "choice":
            return f"{self.field}={','.join(self.choices)}"
        prefix = "" if self.kind == "float" else f"{self.kind}:"
        return f"{self.field}={prefix}{self.low!r}..{self.high!r}"

    @property
    def values(self) -> tuple[Value, ...]:
        """Values for checking that the field accepts the dimension: every choice, or both bounds and one between."""
        if self.kind == "choice":
            return self.choices
        middle = (self.low + self.high) / 2
        return (self.low, int(middle) if self.kind.startswith("int") else middle, self.high)

    def holds(self, value: object) -> bool:
        """Return whether a number lies within the bounds."""
        return isinstance(value, int | float) and self.kind != "choice" and self.low <= value <= self.high


def parse(text: str) -> Dimension:
    """Parse a dimension in the syntax of --search, or raise InputError."""
    where = f"--search {text}"
    field, equals, range_text = (part.strip() for part in text.partition("="))
    if not (field and equals and range_text):
        raise InputError(where, "is not of the form field=range", FORMS)
    prefix, colon, rest = range_text.partition(":")
    if ".." not in range_text:
        choices = _split(range_text)
        if len(choices) < 2 or len(set(choices)) < len(choices) or not all(choices):
            raise InputError(where, "needs at least two different choices", FORMS)
        return Dimension(field=field, kind="choice", choices=tuple(choices))
    if colon and prefix not in KINDS:
        raise InputError(where, f"has the unknown kind of range {prefix!r}", FORMS)
    kind = KINDS[prefix] if colon else "float"
    ends = (rest if colon else range_text).split("..")
    try:
        number = int if kind.startswith("int") else float
        low, high = (number(end.strip()) for end in ends)
    except ValueError:
        reason = f"must have two {'whole numbers' if kind.startswith('int') else 'numbers'} as its ends"
        raise InputError(where, reason, FORMS) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(where, f"must rise, not go from {low!r} to {high!r}", "give the lower end first")
    if "log" in kind and low <= 0:
        raise InputError(where, f"is logarithmic and starts at {low!r}", "start above 0")
    return Dimension(field=field, kind=kind, low=low, high=high)


def search_space(texts: Sequence[str], config: Config) -> list[Dimension]:
    """Parse all dimensions and check their values on the configuration; without any, return the default ones."""
    dimensions = [parse(text) for text in texts] or usual(config)
    dimensions = [replace(dimension, field=full_name(config, dimension.field)) for dimension in dimensions]
    fields = [dimension.field for dimension in dimensions]
    for field in fields:
        if fields.count(field) > 1:
            raise InputError(f"--search {field}", "is given twice", "keep one of them")
    start = [assignment(dimension.field, dimension.values[0]) for dimension in dimensions]
    for number, dimension in enumerate(dimensions):
        for value in dimension.values:  # with the first values of the others, since a kind decides which fields exist
            changes = [*start[:number], assignment(dimension.field, value), *start[number + 1 :]]
            try:
                override(config, changes)
            except InputError as error:
                raise InputError(f"--search {dimension.text}: {error.where}", error.reason, error.remedy) from None
    return dimensions


def usual(config: Config) -> list[Dimension]:
    """Return the default search space: learning rate and weight decay, around those of the recipe."""
    rate, decay = current(config, "training.schedule.rate"), current(config, "training.optimizer.weight_decay")
    assert isinstance(rate, float)
    assert isinstance(decay, float)
    low, high = (decay / AROUND, decay * AROUND) if decay else DECAY
    return [
        Dimension(field="training.schedule.rate", kind="log", low=_short(rate / AROUND), high=_short(rate * AROUND)),
        Dimension(field="training.optimizer.weight_decay", kind="log", low=_short(low), high=_short(high)),
    ]


def start(dimensions: Sequence[Dimension], config: Config) -> dict[str, Value] | None:
    """Return the configuration's own values as those of a trial; None if they lie outside the space."""
    values: dict[str, Value] = {}
    for dimension in dimensions:
        value = current(config, dimension.field)
        same = [choice for choice in dimension.choices if choice in (str(value), repr(value))]
        if same:
            values[dimension.field] = same[0]
        elif isinstance(value, int | float) and dimension.holds(value):
            values[dimension.field] = value
        else:
            return None
    return values


def assignment(field: str, value: Value) -> str:
    """Format an assignment in the syntax of --set."""
    return f"{field}={value if isinstance(value, str) else repr(value)}"


def current(config: Config, field: str) -> object:
    """Return the value of a field; None if there is no such field."""
    value: object = config
    for part in field.split("."):
        value = getattr(value, part, None)
    return value


def _short(value: float) -> float:
    return float(f"{value:.2g}")


def _split(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]
