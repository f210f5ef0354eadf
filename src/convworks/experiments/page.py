"""The page of an experiment: self-contained, in the style of a run's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from convworks import report
from convworks.charts import confusion as figures
from convworks.charts.drawing import Drawing
from convworks.charts.svg import to_svg
from convworks.config import to_json
from convworks.experiments.record import Experiment
from convworks.files import write_bytes
from convworks.metrics.classification import confusion_matrix
from convworks.report import page
from convworks.report.multi_label_page import class_table
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.outcomes.multi_label import LabelSetPredictions

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<main>
<header>
<p>convworks $kind</p>
<h1>$title</h1>
</header>
<nav>$links</nav>
$sections<footer>One file, no connections: it can be copied, mailed and printed. $beside</footer>
</main>
</body>
</html>
""")
#: Anchor, heading, a line of explanation, and the figure below it.
Figure = tuple[str, str, str, Drawing]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the page tells: a large number with words beside it (HTML), tiles, figures, the table of runs, commands."""

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
    predictions: Any = None
    predictions_note: str = ""
    beside: str = ""


def write_page(place: Path, content: Content) -> Path:
    """Write report.html; return its path."""
    experiment = content.experiment
    sections = [
        (anchor, title, page.section(anchor, title, escape(note), f'<div class="wide">{to_svg(drawing)}</div>'))
        for anchor, title, note, drawing in content.figures
    ]
    sections.append(("table", "All runs", page.section("table", "All runs", "", _table(content, place))))
    if content.predictions is not None:
        anchor, title = (
            ("classes", "Classes")
            if isinstance(content.predictions, LabelSetPredictions)
            else ("confusion", "Confusion")
        )
        body = _mistaken(content.predictions)
        sections.append((anchor, title, page.section(anchor, title, content.predictions_note, body)))
    settings = page.values_table({**experiment.asked, **to_json(experiment.config)})
    folded = f"<details><summary>Show all settings</summary>{settings}</details>"
    sections.append(("settings", "Configuration", page.section("settings", "Configuration", "", folded)))
    commands = [("To repeat this", experiment.command), *content.commands]
    body = "".join(f"<h3>{name}</h3><pre>{escape(command)}</pre>" for name, command in commands)
    sections.append(("commands", "Commands", page.section("commands", "Commands", "", body)))
    html = PAGE.substitute(
        title=escape(content.title),
        kind=experiment.kind,
        style=Path(str(report.__file__)).with_name("report.css").read_text(encoding="utf-8"),
        links=" ".join(f'<a href="#{anchor}">{title}</a>' for anchor, title, _ in sections),
        sections=_headline(content) + "".join(html for _, _, html in sections),
        beside=escape(f"Beside it: {content.beside}.") if content.beside else "",
    )
    path = place / "report.html"
    write_bytes(path, html.encode("utf-8", "replace"))
    return path


def _headline(content: Content) -> str:
    large = f"{100 * content.value:.2f}<small>%</small>" if content.percent else f"{content.value:.4g}"
    said = "".join(f"<p>{words}</p>" for words in content.words)
    left = f'<div><div class="accuracy">{large}</div>{said}</div>'
    return f'<section class="headline">{left}{page.tiles(content.tiles)}</section>\n'


def _table(content: Content, place: Path) -> str:
    """Tabulate the runs, the first column leading to the report of each that has one."""
    number = ' class="number"'
    head = "".join(f'<th scope="col"{number if i else ""}>{escape(name)}</th>' for i, name in enumerate(content.header))
    body = []
    for name, *cells in content.rows:
        first = escape(name)
        if (place / name / "report.html").is_file():
            first = f'<a href="{first}/report.html">{first}</a>'
        numbers = "".join(f"<td{number}>{escape(cell)}</td>" for cell in cells)
        body.append(f"<tr><td>{first}</td>{numbers}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _mistaken(predictions: Predictions | LabelSetPredictions) -> str:
    if isinstance(predictions, LabelSetPredictions):
        return class_table(predictions)
    matrix = confusion_matrix(predictions.labels, predictions.predicted, len(predictions.classes))
    layout = "beside" if len(predictions.classes) <= figures.ANNOTATED else "stacked"
    drawing = to_svg(figures.confusion(matrix, predictions.classes))
    pairs = page.pairs_table(matrix, predictions.classes)
    return f'<div class="{layout}"><div>{drawing}</div><div>{pairs}</div></div>'
