"""The page of an experiment: self-contained, in the style of a run's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from convworks.charts.drawing import Drawing
from convworks.config import to_json
from convworks.experiments.record import Experiment
from convworks.pages import blocks
from convworks.pages.blocks import Section
from convworks.pages.tables import Row, table, values_table
from convworks.report.next_step import without_out
from convworks.tasks.outcome import Combined

#: Anchor, heading, a line of explanation, and the drawing below it.
Figure = tuple[str, str, str, Drawing]


@dataclass(frozen=True, kw_only=True)
class Content:
    """The content of the page: a large number with text beside it, tiles, drawings, the table of runs, commands."""

    title: str
    value: float
    percent: bool = True
    words: Sequence[str]
    tiles: Sequence[tuple[str, str]]
    figures: Sequence[Figure]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    experiment: Experiment
    commands: Sequence[tuple[str, str]]
    predictions: Combined | None = None
    predictions_note: str = ""
    beside: str = ""


def write_page(folder: Path, content: Content) -> Path:
    """Write report.html; return its path."""
    experiment = content.experiment
    settings = values_table({**experiment.options, **to_json(experiment.config)})
    commands = [("Reproduce", without_out(experiment.command)), *content.commands]
    return blocks.write_page(
        folder / "report.html",
        title=content.title,
        kind=experiment.kind,
        headline=_headline(content),
        sections=[
            *(
                Section(anchor=anchor, title=title, note=note, body=blocks.wide(drawing))
                for anchor, title, note, drawing in content.figures
            ),
            Section(anchor="table", title="All runs", body=_table(content, folder)),
            *([content.predictions.overview(content.predictions_note)] if content.predictions is not None else []),
            Section(anchor="settings", title="Configuration", body=blocks.folded("Show all settings", settings)),
            Section(anchor="commands", title="Commands", body=blocks.commands(commands)),
        ],
        beside=[content.beside] if content.beside else [],
    )


def _headline(content: Content) -> Markup:
    value, unit = (f"{100 * content.value:.2f}", "%") if content.percent else (f"{content.value:.4g}", "")
    words, tiles = blocks.paragraphs(content.words), blocks.tiles(content.tiles)
    return blocks.headline(value, unit=unit, words=words, beside=tiles)


def _table(content: Content, folder: Path) -> Markup:
    """Return the table of runs, with links to their reports in the first column."""
    rows = []
    for name, *cells in content.rows:
        reported = (folder / name / "report.html").is_file()
        rows.append(Row(cells=(_to_report(name) if reported else name, *cells)))
    return table(content.header, rows)


def _to_report(name: str) -> Markup:
    return Markup('<a href="{0}/report.html">{0}</a>').format(name)
