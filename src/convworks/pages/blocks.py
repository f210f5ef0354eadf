"""What every page is made of: its skeleton, its sections, and the parts that several kinds of page show."""

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

#: Labels and values; what follows in a further line of a value is shown small.
Facts = Sequence[tuple[str, str]]
#: Figures that are no fractions.
NATS = ("nll", "bce")


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page that the navigation names: a heading, a line of explanation, and what is shown below."""

    anchor: str
    title: str
    note: str = ""
    body: Markup


@dataclass(frozen=True, kw_only=True)
class Link:
    """A page that lies beside this one."""

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

    `before` and `after` stand around the links to the sections, `beside` names the files in the same folder.
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
    # A file name that is not UTF-8 shows a question mark for each odd byte.
    write_bytes(path, f"{page}\n".encode("utf-8", "replace"))
    return path


def headline(value: str, *, unit: str = "", words: Markup, beside: Markup) -> Markup:
    """Show one figure in large, what is said of it, and others beside it."""
    return render("headline.html", value=value, unit=unit, words=words, beside=beside)


def figures(facts: Facts, *, without: str = "") -> Markup:
    """Show figures as tiles, and say below them which there are not."""
    return render("figures.html", tiles=tiles(facts), without=without)


def figure_tiles(values: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the figures that there are as tiles: a name, the value, and below it the 95 % interval."""
    facts = []
    for key, name in names.items():
        if values.get(key) is not None:
            ends = values["intervals"].get(key)
            facts.append((name, _figure(key, values[key]) + (f"\n{_interval(key, *ends)}" if ends else "")))
    return facts


def missing(values: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Say which figures there are not, and why."""
    return "; ".join(f"{names[key]} is {reason}" for key, reason in values.get("undefined", {}).items())


def tiles(facts: Facts) -> Markup:
    """List labelled values, side by side; of none, nothing."""
    return render("tiles.html", facts=facts)


def notes(split: str, chosen: str, note: str) -> Markup:
    """Say whether a split chose what it is now asked about, and one thing more."""
    return render("notes.html", split=split, chosen=chosen, note=note)


def paragraphs(lines: Sequence[str]) -> Markup:
    """Return lines as paragraphs."""
    return render("paragraphs.html", lines=lines)


def bold(text: str) -> Markup:
    """Return a text in bold."""
    return Markup("<b>{}</b>").format(text)


def wide(drawing: Drawing) -> Markup:
    """Show a drawing over the whole width."""
    return render("wide.html", svg=Markup(to_svg(drawing)))


def two(layout: str, drawing: Drawing, words: Markup) -> Markup:
    """Show a drawing with something else: `beside` it or `stacked` below it."""
    return render("two.html", layout=layout, svg=Markup(to_svg(drawing)), words=words)


def folded(summary: str, body: Markup) -> Markup:
    """Hide a part behind a line that opens it; an empty one is left out."""
    return render("folded.html", summary=summary, body=body)


def times(seconds: Sequence[tuple[str, float | int]]) -> Markup:
    """Show how long each phase took, as parts of one bar; of no phases, nothing."""
    return render("times.html", seconds=seconds)


def commands(named: Sequence[tuple[str, str]]) -> Markup:
    """Show commands to paste, each under its name."""
    return render("commands.html", named=named)


def _figure(key: str, value: float) -> str:
    return f"{value:.4f}" if key in NATS else percent(value)


def _interval(key: str, low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}" if key in NATS else percent_interval(low, high)
