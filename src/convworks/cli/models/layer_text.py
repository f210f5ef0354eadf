"""The tables of `convworks models NAME` as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

from convworks.cli.answer import table
from convworks.cli.models.text import WIDTH
from convworks.models.analysis.describe import Description
from convworks.models.analysis.layer_table import Layer
from convworks.models.analysis.memory import Memory
from convworks.models.analysis.printed import Compared
from convworks.models.catalogue import Facts

MIB = 2**20
#: Blocks of fewer rows than this are listed each, however often they come.
FOLDED = 3
FIELD = "field: side of the receptive field / step to that of the next output, in pixels of the input"


def sizes(numbers: Sequence[object]) -> str:
    """Write sizes along the axes as 3x224x224."""
    return "x".join(map(str, numbers))


def about(published: Facts) -> list[str]:
    """Write the facts of a network, without its numbers."""
    lines = [f"{published.paper}, {published.year}", published.summary]
    lines += [f"published error: {published.published_error}"] if published.published_error else []
    lines += [f"differs: {published.differs}"] if published.differs else []
    lines += [f"training: {published.training}"] if published.training else []
    return [line for entry in lines for line in textwrap.wrap(entry, WIDTH, subsequent_indent="  ")]


def layers(network: Description) -> str:
    """Write the layers with their sums; those of auxiliary classifiers apart."""
    header = ["layer", "kind", "output", "kernel", "stride", "parameters", "MACs", "activations", "field"]
    groups = [("total", network.layers)]
    groups += [("auxiliary, in training only", network.auxiliary)] if network.auxiliary else []
    cells: list[list[str]] = []
    for title, rows in groups:
        cells += _rows(rows)
        totals = [f"{sum(getattr(row, what) for row in rows):,}" for what in ("parameters", "macs", "activations")]
        cells += [[title, "", "", "", "", *totals, ""]]
        if rows is network.layers and network.total_parameters > sum(row.parameters for row in rows):
            cells += [["with fixed", "", "", "", "", f"{network.total_parameters:,}", "", "", ""]]
        cells += [[""] * len(header)]
    return f"{table(header, cells[:-1])}\n\n{FIELD}"


def _rows(layers: Sequence[Layer]) -> list[list[str]]:
    """Write layers as cells; what follows a block and is equal to it becomes one row that holds the sums."""
    blocks = [list(rows) for _, rows in groupby(layers, lambda row: row.name.split(".")[:2])]
    cells: list[list[str]] = []
    for _, group in groupby(_numbered(blocks), lambda entry: entry[0]):
        first, *others = [block for _, block in group]
        cells += [_cells(row) for row in first]
        if others:
            rows = [row for block in others for row in block]
            names = [".".join(block[0].name.split(".")[:2]) for block in (first, others[0], others[-1])]
            last = names[2].split(".")[-1]
            name = names[1] if len(others) == 1 else f"{names[1]} to {last}"
            sums = [f"{sum(getattr(row, what) for row in rows):,}" for what in ("parameters", "macs", "activations")]
            like = f"as {names[0].split('.')[-1]}" + (f" x {len(others)}" if len(others) > 1 else "")
            cells.append([name, like, sizes(rows[-1].output), "", "", *sums, _field(rows[-1])])
    return cells


def _numbered(blocks: Sequence[list[Layer]]) -> list[tuple[int, list[Layer]]]:
    """Number the blocks; a block that equals the one before it has the same number."""
    numbered: list[tuple[int, list[Layer]]] = []
    before: Sequence[tuple[object, ...]] = []
    for number, block in enumerate(blocks):
        stage = block[0].name.split(".")[0]
        description: Sequence[tuple[object, ...]] = [
            (stage, row.name.split(".")[2:], row.kind, row.output, row.stride, row.parameters, row.macs)
            for row in block
        ]
        same = description == before and len(block) >= FOLDED
        numbered.append((numbered[-1][0] if same else number, block))
        before = description
    return numbered


def _cells(row: Layer) -> list[str]:
    numbers = [f"{n:,}" for n in (row.parameters, row.macs, row.activations)]
    return [
        row.name.removeprefix("auxiliary."),
        row.kind,
        sizes(row.output),
        sizes(row.kernel_size),
        sizes(row.stride),
        *numbers,
        _field(row),
    ]


def _field(row: Layer) -> str:
    """Write a receptive field and its stride: 483/32; what sees everything has no stride."""
    if not row.field:
        return ""
    size, jump = (str(v[0]) if len(set(v)) == 1 else sizes(v) for v in (row.field, row.jump))
    return f"{size}/{jump}" if any(row.jump) else size


def memory(needed: Memory, batch: int) -> str:
    """Write how much memory is needed, and for what."""

    def mib(count: int) -> str:
        return f"{count / MIB:,.1f}"

    width = len(mib(max(needed.training, needed.inference)))
    training = f"weights {mib(needed.weights)} + gradients {mib(needed.gradients)} + momentum {mib(needed.momentum)}"
    rest = needed.weights - needed.auxiliary
    return "\n".join(
        [
            f"memory for a batch of {batch}, in 32-bit numbers",
            f"  training   {mib(needed.training).rjust(width)} MiB = {training}"
            f" + kept for the backward pass {mib(needed.kept)}",
            f"  inference  {mib(needed.inference).rjust(width)} MiB = weights {mib(rest)}"
            f" + peak of activations {mib(needed.alive)}",
            "  not counted: gradients of activations, kernel workspaces, the framework itself",
        ]
    )


def printed(rows: Sequence[Compared]) -> str:
    """Write the table of the paper beside what is counted here."""
    cells = []
    for row in rows:
        verdict = "same" if row.agrees else f"differs{_difference(row)}"
        how = f" ({row.how})" if row.how else ""
        cells.append([row.tap or "all", row.what.replace("macs", "MACs"), row.printed, row.ours + how, verdict])
    lines = table(["part", "number", "in the paper", "here", ""], cells).splitlines()
    text = [lines[0]]
    for row, line, following in zip(rows, lines[1:], [*rows[1:], None], strict=True):
        text.append(line)
        if row.note and (following is None or following.tap != row.tap or following.note != row.note):
            text += textwrap.wrap(row.note, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(text)


def _difference(row: Compared) -> str:
    return "" if row.difference is None else f" by {row.difference:+.1%}"
