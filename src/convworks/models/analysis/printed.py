"""Comparison of the table printed in a paper with the built network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from convworks.errors import InputError, nearest
from convworks.layers.network import Network
from convworks.models.analysis.count import multiply_adds
from convworks.models.analysis.trace import Call
from convworks.models.catalogue import Printed

#: Values of a unit: by K, papers mean 1000 or 1024.
UNITS = {"k": (10**3, 2**10), "m": (10**6, 2**20), "g": (10**9, 2**30), "": (1, 1)}
NAMES = {"million": "m", "billion": "g", "b": "g", "3": "k", "6": "m", "9": "g"}
NUMBER = re.compile(r"(<)?\s*(\d[\d.,]*)\s*(?:[x×]\s*10\^|e)?(million|billion|[kmgb369]\b)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A printed number and ours: `what` is output, parameters or macs.

    `how` is the convention of our number if it is not the default: weights alone, or K = 1024. `difference` is the
    relative difference of a count to the printed one, None for an output.
    """

    tap: str
    what: str
    printed: str
    ours: str
    agrees: bool
    how: str
    note: str
    difference: float | None = None


@dataclass(frozen=True, kw_only=True)
class Convention:
    """A convention for counts: weights alone, or with biases and scales; K = 1000 or 1024."""

    weights: bool
    binary: bool

    def __str__(self) -> str:
        """Return the deviations from the default convention."""
        return ", ".join(["weights alone"] * self.weights + ["K = 1024"] * self.binary)


#: The default first.
CONVENTIONS = tuple(Convention(weights=weights, binary=binary) for binary in (False, True) for weights in (False, True))


def compare(network: Network, calls: Sequence[Call], printed: Sequence[Printed]) -> list[Compared]:
    """Compare a printed table with the calls of a network at its published shape.

    An output agrees if its sizes equal ours in the order h w c or c h w, or h w alone; sizes of 1 are ignored. A count
    of parameters or multiply-adds agrees if ours rounds to it in its unit and precision. Of the conventions for
    parameters, the one with most agreeing rows is preferred. Raises InputError for unknown taps and invalid counts.
    """
    counts = [
        (entry, what, text, _values(network, _part(calls, entry.tap), entry.tap, what))
        for entry in printed
        for what, text in (("parameters", entry.parameters), ("macs", entry.macs))
        if text
    ]
    conventions = {"parameters": _preferred([row for row in counts if row[1] == "parameters"]), "macs": CONVENTIONS[:1]}
    comparisons = []
    for entry in printed:
        if entry.output:
            comparisons.append(_output(entry, _part(calls, entry.tap)[-1].output))
        for _, what, text, values in (count for count in counts if count[0] is entry):
            agreeing = (
                convention for convention in conventions[what] if _agrees(text, values[convention.weights], convention)
            )
            convention = next(agreeing, conventions[what][0])
            value, (_, digits, unit) = values[convention.weights], _parse_count(text)
            comparisons.append(
                Compared(
                    tap=entry.tap,
                    what=what,
                    printed=text,
                    ours=_format_count(text, value, convention),
                    agrees=_agrees(text, value, convention),
                    how=str(Convention(weights=convention.weights, binary=convention.binary and bool(unit))),
                    note=entry.note,
                    difference=value / whole - 1 if (whole := float(digits) * UNITS[unit][convention.binary]) else None,
                )
            )
    return comparisons


def _output(entry: Printed, output: Sequence[int]) -> Compared:
    channels, *size = output
    return Compared(
        tap=entry.tap,
        what="output",
        printed=entry.output,
        ours="x".join(map(str, (*size, channels))),
        agrees=_same_size(entry.output, channels, size),
        how="",
        note=entry.note,
    )


def _preferred(counts: Sequence[tuple[Printed, str, str, tuple[int, int]]]) -> Sequence[Convention]:
    """Sort the conventions by their number of agreeing rows, descending."""
    votes = Counter(
        convention
        for _, _, text, values in counts
        for convention in CONVENTIONS
        if _agrees(text, values[convention.weights], convention)
    )
    return sorted(CONVENTIONS, key=lambda convention: -votes[convention])


def _part(calls: Sequence[Call], tap: str) -> list[Call]:
    """Return the calls of a part of the network; for the whole, all except auxiliary classifiers."""
    if not tap:
        return [root for root in calls if not root.name.startswith("auxiliary.")]
    named = {call.name: call for root in calls for call in root.everything()}
    if tap not in named:
        raise InputError("printed", f"there is no part {tap!r}{nearest(tap, named)}", "name a tap")
    return [named[tap]]


def _values(network: Network, part: Sequence[Call], tap: str, what: str) -> tuple[int, int]:
    """Return a count of a part: of all parameters, and of the weights alone."""
    if what == "macs":
        inner = [call for root in part for call in root.everything()]
        macs = sum(multiply_adds(call.module, *call.tensors) for call in inner if call.tensors is not None)
        return macs, macs
    prefix = f"{part[0].name}." if tap else ""
    named = [(name.removeprefix("stages."), p) for name, p in network.named_parameters() if p.requires_grad]
    own = [p for name, p in named if name.startswith(prefix) and (tap or not name.startswith("auxiliary."))]
    return sum(p.numel() for p in own), sum(p.numel() for p in own if p.ndim > 1)


def _same_size(printed: str, channels: int, size: Sequence[int]) -> bool:
    numbers = [int(n) for n in re.findall(r"\d+", printed) if int(n) != 1]
    orders = ((*size, channels), (channels, *size), tuple(size))
    return any(numbers == [n for n in order if n != 1] for order in orders)


def _parse_count(printed: str) -> tuple[bool, str, str]:
    """Parse a printed count: whether it is an upper bound, its digits, its unit."""
    match = NUMBER.search(printed)
    if match is None:
        raise InputError("printed", f"{printed!r} is not a number", "write it like 2.7K, 360M or 138,357,544")
    unit = (match[3] or "").lower()
    return bool(match[1]), match[2].replace(",", ""), NAMES.get(unit, unit)


def _agrees(printed: str, value: int, convention: Convention) -> bool:
    upper_bound, digits, unit = _parse_count(printed)
    number = value / UNITS[unit][convention.binary]
    return (
        number < float(digits) if upper_bound else abs(number - float(digits)) <= 0.5 * 10 ** -_decimals(digits) + 1e-9
    )


def _format_count(printed: str, value: int, convention: Convention) -> str:
    """Format a count in the unit of the printed one, with one more decimal."""
    _, digits, unit = _parse_count(printed)
    return (
        f"{value / UNITS[unit][convention.binary]:,.{_decimals(digits) + 1}f}{unit.upper()}" if unit else f"{value:,}"
    )


def _decimals(digits: str) -> int:
    return len(digits.partition(".")[2])
