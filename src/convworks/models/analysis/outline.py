"""The outline of a network for a diagram: steps in sequence, forks of branches, repeats; from its data flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from convworks.layers.linked import Linked
from convworks.models.analysis.steps import Step, functions, step
from convworks.models.analysis.trace import Call


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Parts in sequence; empty means the identity."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Fork:
    """Branches with a common input, and how their outputs are joined: `sum` or `concatenation`."""

    branches: tuple[Chain, ...]
    join: str
    output: tuple[int, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """A part that is repeated with the same sizes."""

    part: Part
    times: int


Part = Step | Chain | Fork | Repeat


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Stem, a stage, head, or an auxiliary classifier: its name, its parts, its output shape.

    `reads` are the indices of the stages that it reads, -1 for the input of the network.
    """

    name: str
    part: Chain
    output: tuple[int, ...]
    reads: tuple[int, ...]


def outline(calls: Sequence[Call]) -> list[Stage]:
    """Return the stages of a traced network in the order of computation; one stage if skip connections link them."""
    if any(isinstance(call.module, Linked) for call in calls):
        return [Stage(name="network", part=_chain(_inside(_whole(calls))), output=calls[-1].output, reads=(-1,))]
    stages = []
    for call in calls:
        reads = {_containing_call(calls, number) for number in call.reads}
        stages.append(Stage(name=call.name, part=_chain(_inside(call)), output=call.output, reads=tuple(sorted(reads))))
    return stages


def _whole(calls: Sequence[Call]) -> Call:
    """Return a network as one call, in which everything that skip connections lead to or from is side by side."""
    makes: dict[int, frozenset[int]] = {}  # of a call that is replaced by its parts: those that its output comes from

    def moved(numbers: frozenset[int]) -> frozenset[int]:
        return frozenset(each for number in numbers for each in makes.get(number, frozenset({number})))

    def parts(call: Call) -> list[Call]:
        linked = isinstance(call.module, Linked)
        if not call.within or not (linked or len(moved(call.reads)) > 1):
            reads = moved(call.reads)  # of images that are read besides, and not joined, only the size matters
            return [replace(call, reads=reads if call.joins else reads - {-1} or reads)]
        inside = [part for inner in call.within for part in parts(replace(inner, joins=inner.joins or call.joins))]
        makes[call.number] = frozenset({inside[-1].number}) if linked else moved(call.makes)
        return inside if linked else [replace(part, functions=[*part.functions, *call.functions]) for part in inside]

    whole = [part for call in calls for part in parts(call)]
    return replace(calls[-1], within=whole, makes=moved(frozenset({calls[-1].number})), functions=[], joins=True)


def _containing_call(calls: Sequence[Call], number: int) -> int:
    """Return the index of the call that contains another, -1 if none does."""
    return next((index for index, call in enumerate(calls) if call.holds(number)), -1)


def _inside(call: Call) -> list[Part]:
    """Return the parts of a call: one step, or those of its inner calls."""
    if not call.within:
        only_step = step(call)
        return [] if only_step is None else [only_step]
    count = len(call.within)
    edges = {
        (_containing_call(call.within, number), index)
        for index, part in enumerate(call.within)
        for number in part.reads
    }
    edges |= {(_containing_call(call.within, number), count) for number in call.makes}
    parts = _between(call, edges, -1, count)
    return [*parts, *functions(call)]


def _between(call: Call, edges: set[tuple[int, int]], first: int, last: int) -> list[Part]:
    """Return the parts between two nodes of the data flow inside a call, both excluded.

    A node that no edge bypasses divides them into a sequence; between such nodes, unconnected parts are branches.
    """
    useful_nodes = _useful(edges, first, last)
    edges = {(a, b) for a, b in edges if a in useful_nodes and b in useful_nodes}
    inner = sorted(useful_nodes - {first, last})
    cuts = [node for node in inner if not any(a < node < b for a, b in edges)]
    parts: list[Part] = []
    for before, after in pairwise([first, *cuts, last]):
        segment = {(a, b) for a, b in edges if before <= a and b <= after}
        between = [node for node in inner if before < node < after]
        if between:
            parts += _fork(call, segment, between, before, after)
        if after != last:
            parts += _inside(call.within[after])
    return parts


def _fork(call: Call, edges: set[tuple[int, int]], inner: Sequence[int], first: int, last: int) -> list[Part]:
    """Return the branches between two nodes; parts that are not separate branches are returned in sequence."""
    groups: list[set[int]] = []
    for node in inner:
        linked = [group for group in groups if any((a, node) in edges for a in group)]
        groups = [group for group in groups if group not in linked] + [{node}.union(*linked)]
    after = call.within[last] if last < len(call.within) else call
    through = (first, last) in edges
    if len(groups) == 1 and not through:
        return [part for node in inner for part in _inside(call.within[node])]
    branches = []
    for group in sorted(groups, key=min):
        group_edges = {(a, b) for a, b in edges if a in group or b in group}
        branches.append(_chain(_between(call, group_edges, first, last)))
    if through:
        branches.append(Chain(parts=()))
    output = call.output if last == len(call.within) else call.within[last].input
    join = "concatenation" if "cat" in (*call.functions, *after.functions) else "sum"
    return [Fork(branches=tuple(branches), join=join, output=output)]


def _useful(edges: set[tuple[int, int]], first: int, last: int) -> set[int]:
    """Return the nodes from which the last one is reachable."""
    nodes, waiting = {first, last}, [last]
    before: dict[int, list[int]] = {}
    for a, b in edges:
        before.setdefault(b, []).append(a)
    while waiting:
        for node in before.get(waiting.pop(), ()):
            if node > first and node not in nodes:
                nodes.add(node)
                waiting.append(node)
    return nodes


def _chain(parts: Sequence[Part]) -> Chain:
    """Return parts in sequence: notes are added to the layer before them, and repeats are folded."""
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
    """Fold repeats: forks, more than four equal steps, sequences of up to six parts."""
    parts: list[Part] = []
    index = 0
    while index < len(row):
        best = (1, 1)
        for length in range(1, 7):
            pattern, times = row[index : index + length], 1
            while row[index + times * length : index + (times + 1) * length] == pattern:
                times += 1
            plain = all(isinstance(part, Step) for part in pattern)
            if times > (4 if length == 1 and plain else 2 if plain else 1) and times * length > best[0] * best[1]:
                best = (length, times)
        length, times = best
        part = row[index] if length == 1 else Chain(parts=tuple(row[index : index + length]))
        parts.append(Repeat(part=part, times=times) if times > 1 else part)
        index += length * times
    return parts
