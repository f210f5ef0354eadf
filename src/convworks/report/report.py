"""The report of a run: one self-contained page, with its drawings and predictions as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup

from convworks.charts.curves import curves, panels
from convworks.charts.raster import to_png
from convworks.files import write_bytes
from convworks.metrics.slices import Slices
from convworks.pages import blocks
from convworks.pages.blocks import Link, Section
from convworks.pages.layers import layers_section
from convworks.pages.slices import NOTE, slices_table
from convworks.pages.tables import Row, table, values_table
from convworks.pages.verdict import Finding, findings
from convworks.tasks.outcome import Outcome
from convworks.tasks.shown import Page

CURVES = "Blue: validation. Grey: augmented training batches."
BEST = f"{CURVES} The dot marks the best epoch."
HINT = Markup("Every field can be changed with <code>--set name=value</code>.")
FIRST = "All other figures and pictures of this page are those of the first."
#: Pages that may be in the same folder, and the texts of the links to them.
PAGES = {"errors.html": "Errors and their neighbours"}


@dataclass(frozen=True, kw_only=True)
class KeptEpoch:
    """The epoch whose weights were kept, and why it is not the best one, in a sentence or empty."""

    epoch: int
    reason: str = ""

    @property
    def note(self) -> str:
        """The line below the title of the curves."""
        return " ".join(filter(None, (CURVES, f"The dot marks epoch {self.epoch}, which was kept.", self.reason)))


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """The content of a report; only title and predictions are required.

    Attributes:
        title: heading of the page.
        predictions: outcome of the evaluated split.
        figures: metrics of the predictions; computed by their `summary` if None.
        image: returns the pixels of sample i; without it, the worst mistakes are not shown.
        chosen: what was selected on validation, such as "the checkpoint"; not mentioned if empty.
        note: an additional sentence below the headline.
        measured: what was measured on which split, in a line.
        verdict: what the rules of the task found; None if they were not asked.
        slices: metrics on slices of the split.
        protocols: header and rows of a table that compares protocols; the rest of the page is about the first.
        history: rows for `curves`.
        kept: the epoch that they mark; each curve marks its own best if None.
        layers: rows of statistics for `layer_drawings`.
        facts: labels and values, in order.
        seconds: names and durations of the phases, in order.
        configuration: nested values, shown under dotted names.
        environment: hardware, versions, device, precision, seed.
        command: reproduces the run.
        command_note: why it does not, in a sentence; empty if it does.
        next_command: the next step with its result.
        beside: names of further files in the folder; pages among them are linked.
    """

    title: str
    predictions: Outcome
    figures: Mapping[str, Any] | None = None
    image: Callable[[int], UInt8[np.ndarray, "h w c"]] | None = None
    chosen: str = ""
    note: str = ""
    measured: str = ""
    verdict: Sequence[Finding] | None = None
    slices: Slices | None = None
    protocols: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    history: Sequence[Mapping[str, Any]] = ()
    kept: KeptEpoch | None = None
    layers: Sequence[Mapping[str, Any]] = ()
    facts: Sequence[tuple[str, str]] = ()
    seconds: Sequence[tuple[str, float | int]] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    command_note: str = ""
    next_command: str = ""
    beside: Sequence[str] = ()


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write report.html, curves.png, confusion.png, ranking.png, errors.png, predictions.csv; return the page's path.

    Multi-label reports have no confusion.png. There is no ranking.png if all samples are of one class or every class is
    ranked perfectly, and no curves.png without a history. Reconstruction has reconstructions.png and worst.png
    instead of confusion.png, ranking.png and errors.png.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions = content.predictions
    predictions.write_csv(folder / "predictions.csv")
    first, own, pictures = predictions.show(
        Page(
            folder=folder,
            metrics=content.figures or predictions.summary(),
            image=content.image,
            chosen=content.chosen,
            note=content.note,
        )
    )
    kept = content.kept.epoch if content.kept else None
    training = panels(content.history, kept=kept) if content.history else []
    if training:
        write_bytes(folder / "curves.png", to_png(curves(content.history, kept=kept)))
        pictures = ("curves.png", *pictures)
    sections = [
        Section(anchor="verdict", title="Verdict", note=content.measured, body=findings(content.verdict)),
        Section(anchor="facts", title="Summary", body=blocks.tiles(content.facts)),
        Section(anchor="protocols", title="Protocols", note=FIRST, body=_compared(content.protocols)),
        Section(
            anchor="curves",
            title="Training",
            note=content.kept.note if content.kept else BEST,
            body=blocks.wrapping(training) if training else Markup(),
        ),
        layers_section(content.layers),
        *own[:-1],
        Section(
            anchor="slices",
            title="Slices",
            note=NOTE,
            body=slices_table(content.slices) if content.slices else Markup(),
        ),
        *own[-1:],
        *_background(content),
    ]
    links = {name: Link(href=name, text=f"{title} →") for name, title in PAGES.items() if name in content.beside}
    return blocks.write_page(
        folder / "report.html",
        title=content.title,
        headline=first,
        sections=sections,
        after=[*links.values()],
        beside=[
            Link(href=name, text=name) if name in links else name
            for name in (*pictures, "predictions.csv", *content.beside)
        ],
    )


def _compared(protocols: tuple[Sequence[str], Sequence[Sequence[str]]] | None) -> Markup:
    """Tabulate protocols; empty for one alone."""
    return table(protocols[0], [Row(cells=cells) for cells in protocols[1]]) if protocols else Markup()


def _background(content: ReportContent) -> list[Section]:
    """Return the sections on how the run was produced: configuration, hardware, time, commands."""
    settings = blocks.folded("Show all settings", values_table(content.configuration))
    commands = [
        ("Train again" if content.command_note else "Reproduce", content.command),
        ("Next step", content.next_command),
    ]
    return [
        Section(anchor="configuration", title="Configuration", note=HINT, body=settings),
        Section(anchor="environment", title="Hardware and versions", body=values_table(content.environment)),
        Section(anchor="time", title="Time", body=blocks.times(content.seconds)),
        Section(
            anchor="commands",
            title="Commands",
            note=content.command_note,
            body=blocks.commands([(name, command) for name, command in commands if command]),
        ),
    ]
