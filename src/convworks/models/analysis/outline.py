"""A network as a picture shows it: steps in a row, forks whose branches meet again, repeats; from what reads what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from convworks.models.analysis.steps import Step, functions, step
from convworks.models.analysis.trace import Call


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Parts one after the other; without any, what comes in goes out."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Fork:
    """Branches that read the same, and what puts their outputs together: `sum` or `concatenation`."""

    branches: tuple[Chain, ...]
    join: str
    output: tuple[int, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """A part that comes several times in a row with the same sizes."""

    part: Part
    times: int


Part = Step | Chain | Fork | Repeat


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Stem, a stage, head, or an auxiliary classifier: its name, what is in it, the size that it gives.

    `reads` are the places in the list of the stages that it reads, -1 for the input of the network.
    """

    name: str
    part: Chain
    output: tuple[int, ...]
    reads: tuple[int, ...]


def outline(calls: Sequence[Call]) -> list[Stage]:
    """Return the stages of a traced network in the order of computation."""
    stages = []
    for call in calls:
        reads = {_holder(calls, number) for number in call.reads}
        stages.append(Stage(name=call.name, part=_chain(_inside(call)), output=call.output, reads=tuple(sorted(reads))))
    return stages


def _holder(calls: Sequence[Call], number: int) -> int:
    """Return the place of the call that holds another, -1 where none does."""
    return next((place for place, call in enumerate(calls) if call.holds(number)), -1)


def _inside(call: Call) -> list[Part]:
    """Return what a call computes: one step, or its parts by what they read."""
    if not call.within:
        found = step(call)
        return [] if found is None else [found]
    count = len(call.within)
    edges = {(_holder(call.within, number), place) for place, part in enumerate(call.within) for number in part.reads}
    edges |= {(_holder(call.within, number), count) for number in call.makes}
    parts = _between(call, edges, -1, count)
    return [*parts, *functions(call)]


def _between(call: Call, edges: set[tuple[int, int]], first: int, last: int) -> list[Part]:
    """Return what lies between two places of the parts of a call, both left out.

    A place that no edge passes by divides what lies between into a row; else the parts that nothing connects are
    branches.
    """
    used = _useful(edges, first, last)
    edges = {(a, b) for a, b in edges if a in used and b in used}
    inner = sorted(used - {first, last})
    cuts = [place for place in inner if not any(a < place < b for a, b in edges)]
    parts: list[Part] = []
    for before, after in pairwise([first, *cuts, last]):
        segment = {(a, b) for a, b in edges if before <= a and b <= after}
        between = [place for place in inner if before < place < after]
        if between:
            parts += _fork(call, segment, between, before, after)
        if after != last:
            parts += _inside(call.within[after])
    return parts


def _fork(call: Call, edges: set[tuple[int, int]], inner: Sequence[int], first: int, last: int) -> list[Part]:
    """Return the branches between two places; in a row what cannot be told apart as branches."""
    groups: list[set[int]] = []
    for place in inner:
        linked = [group for group in groups if any((a, place) in edges for a in group)]
        groups = [group for group in groups if group not in linked] + [{place}.union(*linked)]
    through = (first, last) in edges
    if len(groups) == 1 and not through:
        return [part for place in inner for part in _inside(call.within[place])]
    branches = []
    for group in sorted(groups, key=min):
        own = {(a, b) for a, b in edges if a in group or b in group}
        branches.append(_chain(_between(call, own, first, last)))
    if through:
        branches.append(Chain(parts=()))
    output = call.output if last == len(call.within) else call.within[last].input
    return [Fork(branches=tuple(branches), join="concatenation" if "cat" in call.functions else "sum", output=output)]


def _useful(edges: set[tuple[int, int]], first: int, last: int) -> set[int]:
    """Return the places from which something arrives at the last one."""
    found, waiting = {first, last}, [last]
    before: dict[int, list[int]] = {}
    for a, b in edges:
        before.setdefault(b, []).append(a)
    while waiting:
        for place in before.get(waiting.pop(), ()):
            if place > first and place not in found:
                found.add(place)
                waiting.append(place)
    return found


def _chain(parts: Sequence[Part]) -> Chain:
    """Put parts in a row: what only adds to a layer is noted there, and repeats are folded."""
    row: list[Part] = []
    for part in parts:
        if not (isinstance(part, Step) and part.kind == "note"):
            row.append(part)
        elif row and isinstance(row[-1], Step):
            row[-1] = row[-1].with_note(part)
        elif row and isinstance(row[-1], Fork):
            row[-1] = replace(row[-1], notes=(*row[-1].notes, part.title))
        else:
            row.append(part)
    return Chain(parts=tuple(_folded(row)))


def _folded(row: Sequence[Part]) -> list[Part]:
    """Fold what comes several times in a row: forks, more than four equal steps, rows of up to six parts."""
    found: list[Part] = []
    place = 0
    while place < len(row):
        best = (1, 1)
        for length in range(1, 7):
            pattern, times = row[place : place + length], 1
            while row[place + times * length : place + (times + 1) * length] == pattern:
                times += 1
            plain = all(isinstance(part, Step) for part in pattern)
            if times > (4 if length == 1 and plain else 2 if plain else 1) and times * length > best[0] * best[1]:
                best = (length, times)
        length, times = best
        part = row[place] if length == 1 else Chain(parts=tuple(row[place : place + length]))
        found.append(Repeat(part=part, times=times) if times > 1 else part)
        place += length * times
    return found
