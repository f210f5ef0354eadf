"""The table that a paper prints beside what the built network has."""

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

#: What a unit may stand for: papers mean 1000 or 1024 by K.
UNITS = {"k": (10**3, 2**10), "m": (10**6, 2**20), "g": (10**9, 2**30), "": (1, 1)}
NAMES = {"million": "m", "billion": "g", "b": "g", "3": "k", "6": "m", "9": "g"}
NUMBER = re.compile(r"(<)?\s*(\d[\d.,]*)\s*(?:[x×]\s*10\^|e)?(million|billion|[kmgb369]\b)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A printed number and ours: `what` is output, parameters or macs.

    `how` says in which sense ours is written, where that is not plain: weights alone, or K = 1024. `difference` is that
    of a count as a fraction of the printed one, None for an output.
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
class Way:
    """How to read a printed count: of the weights alone, or with biases and scales; in thousands of 1000 or 1024."""

    weights: bool
    binary: bool

    def __str__(self) -> str:
        """Say what is not plain about it."""
        return ", ".join(["weights alone"] * self.weights + ["K = 1024"] * self.binary)


#: The plainest first.
WAYS = tuple(Way(weights=weights, binary=binary) for binary in (False, True) for weights in (False, True))


def compare(network: Network, calls: Sequence[Call], printed: Sequence[Printed]) -> list[Compared]:
    """Compare a printed table with the calls of a network at its published shape.

    An output agrees when its numbers are those of ours, in the order h w c or c h w, or h w alone; sides of 1 count
    for nothing. A number of parameters or multiply-adds agrees when ours rounds to it in its own unit and precision.
    Of the ways to count parameters, that which most rows agree with goes first. Raises InputError for a tap that the
    network does not have, and for a count that is no number.
    """
    counts = [
        (entry, what, text, _values(network, _part(calls, entry.tap), entry.tap, what))
        for entry in printed
        for what, text in (("parameters", entry.parameters), ("macs", entry.macs))
        if text
    ]
    ways = {"parameters": _preferred([row for row in counts if row[1] == "parameters"]), "macs": WAYS[:1]}
    found = []
    for entry in printed:
        if entry.output:
            found.append(_output(entry, _part(calls, entry.tap)[-1].output))
        for _, what, text, values in (count for count in counts if count[0] is entry):
            agreeing = (way for way in ways[what] if _agrees(text, values[way.weights], way))
            way = next(agreeing, ways[what][0])
            value, (_, digits, unit) = values[way.weights], _read(text)
            found.append(
                Compared(
                    tap=entry.tap,
                    what=what,
                    printed=text,
                    ours=_written(text, value, way),
                    agrees=_agrees(text, value, way),
                    how=str(Way(weights=way.weights, binary=way.binary and bool(unit))),
                    note=entry.note,
                    difference=value / whole - 1 if (whole := float(digits) * UNITS[unit][way.binary]) else None,
                )
            )
    return found


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


def _preferred(counts: Sequence[tuple[Printed, str, str, tuple[int, int]]]) -> Sequence[Way]:
    """Sort the ways to count, of which those with the most agreeing rows go first."""
    votes = Counter(way for _, _, text, values in counts for way in WAYS if _agrees(text, values[way.weights], way))
    return sorted(WAYS, key=lambda way: -votes[way])


def _part(calls: Sequence[Call], tap: str) -> list[Call]:
    """Return the calls of a part of the network; of the whole, all but the auxiliary classifiers."""
    if not tap:
        return [root for root in calls if not root.name.startswith("auxiliary.")]
    named = {call.name: call for root in calls for call in root.everything()}
    if tap not in named:
        raise InputError("printed", f"there is no part {tap!r}{nearest(tap, named)}", "name a tap")
    return [named[tap]]


def _values(network: Network, part: Sequence[Call], tap: str, what: str) -> tuple[int, int]:
    """Return a count of a part: of everything, and of the weights alone."""
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


def _read(printed: str) -> tuple[bool, str, str]:
    """Return of a printed count: whether ours must be below it, its digits, its unit."""
    found = NUMBER.search(printed)
    if found is None:
        raise InputError("printed", f"{printed!r} is no number", "write it like 2.7K, 360M or 138,357,544")
    unit = (found[3] or "").lower()
    return bool(found[1]), found[2].replace(",", ""), NAMES.get(unit, unit)


def _agrees(printed: str, value: int, way: Way) -> bool:
    below, digits, unit = _read(printed)
    number = value / UNITS[unit][way.binary]
    return number < float(digits) if below else abs(number - float(digits)) <= 0.5 * 10 ** -_decimals(digits) + 1e-9


def _written(printed: str, value: int, way: Way) -> str:
    """Write a count in the unit of the printed one, with one decimal more."""
    _, digits, unit = _read(printed)
    return f"{value / UNITS[unit][way.binary]:,.{_decimals(digits) + 1}f}{unit.upper()}" if unit else f"{value:,}"


def _decimals(digits: str) -> int:
    return len(digits.partition(".")[2])
