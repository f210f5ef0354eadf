"""Building blocks of pages: the skeleton, sections, and the parts that several kinds of page share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from convworks.charts.drawing import Drawing
from convworks.charts.svg import to_svg
from convworks.files import write_bytes
from convworks.pages.numbers import percent, percent_interval
from convworks.pages.render import render

#: Labels and values; a second line of a value is shown in small type.
Facts = Sequence[tuple[str, str]]
#: Metrics that are not fractions.
NATS = ("nll", "bce")


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of a page, linked from the navigation: a heading, a line of explanation, and a body."""

    anchor: str
    title: str
    note: str = ""
    body: Markup


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link to a page in the same folder."""

    href: str
    text: str


def write_page(
    path: Path,
    *,
    title: str,
    headline: Markup,
    sections: Sequence[Section],
    kind: str = "report",
    styles: Sequence[str] = ("report.css",),
    before: Sequence[Link] = (),
    after: Sequence[Link] = (),
    beside: Sequence[str | Link] = (),
) -> Path:
    """Write a self-contained page; return its path. Sections with an empty body are left out.

    `before` and `after` are links around those to the sections, `beside` lists files in the same folder.
    """
    page = render(
        "page.html",
        title=title,
        kind=kind,
        style=Markup("").join(Markup(Path(__file__).with_name(name).read_text(encoding="utf-8")) for name in styles),
        before=before,
        after=after,
        headline=headline,
        sections=[section for section in sections if section.body],
        beside=[name if isinstance(name, Link) else Link(href="", text=name) for name in beside],
    )
    # Undecodable bytes of file names become question marks.
    write_bytes(path, f"{page}\n".encode("utf-8", "replace"))
    return path


def headline(value: str, *, unit: str = "", words: Markup, beside: Markup) -> Markup:
    """Show one metric in large type, a comment on it, and further metrics beside it."""
    return render("headline.html", value=value, unit=unit, words=words, beside=beside)


def figures(facts: Facts, *, without: str = "") -> Markup:
    """Show metrics as tiles, and below them a note on those that are undefined."""
    return render("figures.html", tiles=tiles(facts), without=without)


def figure_tiles(metrics: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the available metrics as tiles: a name, the value, and below it the 95 % interval."""
    facts = []
    for key, name in names.items():
        if metrics.get(key) is not None:
            interval = metrics["intervals"].get(key)
            facts.append(
                (name, _metric_text(key, metrics[key]) + (f"\n{_interval_text(key, *interval)}" if interval else ""))
            )
    return facts


def missing(metrics: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """List the undefined metrics with the reasons."""
    return "; ".join(f"{names[key]} is {reason}" for key, reason in metrics.get("undefined", {}).items())


def tiles(facts: Facts) -> Markup:
    """List labelled values side by side; empty for no values."""
    return render("tiles.html", facts=facts)


def notes(split: str, chosen: str, note: str) -> Markup:
    """State whether the split was also used for model selection, followed by another note."""
    return render("notes.html", split=split, chosen=chosen, note=note)


def paragraphs(lines: Sequence[str]) -> Markup:
    """Return lines as paragraphs."""
    return render("paragraphs.html", lines=lines)


def bold(text: str) -> Markup:
    """Return a text in bold."""
    return Markup("<b>{}</b>").format(text)


def wide(drawing: Drawing) -> Markup:
    """Show a drawing over the full width."""
    return render("wide.html", svg=Markup(to_svg(drawing)))


def narrow(drawing: Drawing) -> Markup:
    """Show a small drawing, no wider than it is."""
    return render("narrow.html", svg=Markup(to_svg(drawing)))


def wrapping(drawings: Sequence[Drawing]) -> Markup:
    """Show drawings side by side, one below the other where the screen is narrow."""
    return render("wrapping.html", drawings=[(drawing.width, Markup(to_svg(drawing))) for drawing in drawings])


def two(layout: str, drawing: Drawing, words: Markup) -> Markup:
    """Show a drawing with text `beside` it or `stacked` below it."""
    return render("two.html", layout=layout, svg=Markup(to_svg(drawing)), words=words)


def folded(summary: str, body: Markup) -> Markup:
    """Fold a part behind a summary line; empty for an empty body."""
    return render("folded.html", summary=summary, body=body)


def times(seconds: Sequence[tuple[str, float | int]]) -> Markup:
    """Show the duration of each phase as segments of one bar; empty for no phases."""
    return render("times.html", seconds=seconds)


def commands(named: Sequence[tuple[str, str]]) -> Markup:
    """Show named commands, ready to paste."""
    return render("commands.html", named=named)


def _metric_text(key: str, value: float) -> str:
    return f"{value:.4f}" if key in NATS else percent(value)


def _interval_text(key: str, low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}" if key in NATS else percent_interval(low, high)
