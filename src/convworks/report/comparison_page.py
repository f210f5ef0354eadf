"""The page of a comparison of two networks, with pictures of the images that only one of them has right."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from convworks.charts.lettering import shorten
from convworks.files import write_bytes
from convworks.report import page
from convworks.report.comparison import Answers, Pair
from convworks.report.mistakes import as_picture, tile_uri, tiny
from convworks.report.report import PAGE
from convworks.report.slice_page import written

#: At most so many pictures of either kind.
MOST = 24
Image = Callable[[str], UInt8[np.ndarray, "h w c"]]


def write_pair(folder: Path, found: Pair, *, title: str, image: Image | None, command: str) -> Path:
    """Write compare.html and compare.csv into a folder; without `image` (of a name) the page has no pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    found.write_csv(folder / "compare.csv")
    sections = [
        (anchor, heading, page.section(anchor, heading, note, body))
        for anchor, heading, note, body in (
            ("figures", "Right answers", "", _table(found)),
            *(_only(found, second=second, image=image) for second in (False, True)),
            ("commands", "Commands", "", f"<h3>To repeat this</h3><pre>{escape(command)}</pre>"),
        )
        if body
    ]
    html = PAGE.substitute(
        title=escape(title),
        style=Path(__file__).with_name("report.css").read_text(encoding="utf-8"),
        links=" ".join(f'<a href="#{anchor}">{heading}</a>' for anchor, heading, _ in sections),
        sections=_headline(found) + "".join(section for _, _, section in sections),
        beside="compare.csv",
    )
    path = folder / "compare.html"
    write_bytes(path, html.encode("utf-8", "replace"))
    return path


def _headline(found: Pair) -> str:
    values, comparison = found.plain(), found.comparison
    less, more = (100 * end for end in comparison.interval)
    big = f'<div class="accuracy">{100 * comparison.difference:+.2f}<small> points</small></div>'
    told = "The interval holds 0: these images do not tell which is better." if less <= 0 <= more else ""
    said = [
        f'<p class="interval">95 % interval <b>{less:+.2f} to {more:+.2f}</b></p>',
        f"<p>So much more of {values['n']:,} images has <b>{escape(found.second.name)}</b> right than "
        f"<b>{escape(found.first.name)}</b>. McNemar's exact test: p {written(comparison.p)}.</p>",
        f'<p class="note">{told}</p>' if told else "",
    ]
    tiles = [
        ("Only the first right", f"{values['only_first']:,}"),
        ("Only the second right", f"{values['only_second']:,}"),
        ("Both right", f"{values['both_right']:,}"),
        ("Both wrong", f"{values['both_wrong']:,}"),
    ]
    beside = f'<div class="figures">{page.tiles(tiles)}</div>'
    return f'<section class="headline"><div>{big}{"".join(said)}</div>{beside}</section>\n'


def _table(found: Pair) -> str:
    rows = []
    values = found.plain()
    for key in ("first", "second"):
        each = values[key]
        low, high = each["interval"]
        cells = (page.percent(each["accuracy"]), f"{100 * low:.2f} to {page.percent(high)}", f"{each['correct']:,}")
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
        rows.append(f"<tr><td>{key}</td><td>{escape(each['name'])}</td>{numbers}</tr>")
    head = '<th scope="col"></th><th scope="col">network</th>'
    head += "".join(
        f'<th class="number" scope="col">{name}</th>' for name in ("right", "95 % interval", "images right")
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _only(found: Pair, *, second: bool, image: Image | None) -> tuple[str, str, str, str]:
    """Show the images that only one has right, the surest mistakes of the other first where that is known."""
    samples, name = found.only(second=second), "second" if second else "first"
    heading = f"Only the {name} is right"
    if not samples or image is None:
        return name, heading, "", ""
    wrong = found.first if second else found.second
    figures = [_figure(found.first.names[at], found.first.labels[at], wrong, at, image) for at in samples[:MOST]]
    every = "One" if len(samples) == 1 else f"All {len(samples)}"
    which = every if len(samples) <= MOST else f"{MOST} of {len(samples):,}"
    sure = not np.isnan(wrong.confidence).all()
    note = f"{which}, the surest mistakes of the other ({escape(wrong.name)}) first." if sure else f"{which}."
    return name, heading, note, f'<div class="mistakes">{"".join(figures)}</div>'


def _figure(name: str, label: str, wrong: Answers, at: int, image: Image) -> str:
    picture = as_picture(image(name))
    true, guess = escape(label) or "nothing", escape(wrong.predicted[at]) or "nothing"
    pixels = ' class="pixels"' if tiny(picture) else ""
    share = "" if np.isnan(wrong.confidence[at]) else f" {page.percent(float(wrong.confidence[at]))}"
    shown = f'<div title="{escape(name)}"><img{pixels} src="{tile_uri(picture)}" alt="{true} taken for {guess}"></div>'
    words = f'<b>{true} <b class="wrong">→ {guess}</b></b>{share}<span>{escape(shorten(name, 44))}</span>'
    return f"<figure>{shown}<figcaption>{words}</figcaption></figure>"
