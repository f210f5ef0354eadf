"""The page that compares two networks, with the images that only one of them gets right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup

from convworks.charts.pictures import as_picture
from convworks.pages import blocks
from convworks.pages.blocks import Section
from convworks.pages.mistakes import thumbnail
from convworks.pages.numbers import percent, percent_interval
from convworks.pages.pictures import Mistake, mistakes_grid
from convworks.pages.render import render
from convworks.pages.tables import Row, table
from convworks.report.comparison import Answers, Pair

#: Maximum number of images in each section.
MOST = 24
Image = Callable[[str], UInt8[np.ndarray, "h w c"]]


def write_pair(folder: Path, pair: Pair, *, title: str, image: Image | None, command: str) -> Path:
    """Write compare.html and compare.csv; `image` returns the pixels of a named image, None leaves images out."""
    folder.mkdir(parents=True, exist_ok=True)
    pair.write_csv(folder / "compare.csv")
    return blocks.write_page(
        folder / "compare.html",
        title=title,
        headline=_headline(pair),
        sections=[
            Section(anchor="figures", title="Right answers", body=_table(pair)),
            *(_only(pair, second=second, image=image) for second in (False, True)),
            Section(anchor="commands", title="Commands", body=blocks.commands([("Reproduce", command)])),
        ],
        beside=("compare.csv",),
    )


def _headline(pair: Pair) -> Markup:
    values, comparison = pair.plain(), pair.comparison
    low, high = (100 * end for end in comparison.interval)
    words = render(
        "comparison/words.html",
        n=values["n"],
        first=pair.first.name,
        second=pair.second.name,
        difference=100 * comparison.difference,
        low=low,
        high=high,
        p=comparison.p,
    )
    facts = [
        ("Only the first correct", f"{values['only_first']:,}"),
        ("Only the second correct", f"{values['only_second']:,}"),
        ("Both correct", f"{values['both_right']:,}"),
        ("Both wrong", f"{values['both_wrong']:,}"),
    ]
    points = f"{100 * comparison.difference:+.2f}"
    return blocks.headline(points, unit=" points", words=words, beside=blocks.figures(facts))


def _table(pair: Pair) -> Markup:
    rows = []
    values = pair.plain()
    for key in ("first", "second"):
        network = values[key]
        numbers = (percent(network["accuracy"]), percent_interval(*network["interval"]), f"{network['correct']:,}")
        rows.append(Row(cells=(key, network["name"], *numbers)))
    return table(("", "network", "right", "95 % interval", "images right"), rows, texts=2)


def _only(pair: Pair, *, second: bool, image: Image | None) -> Section:
    """Show the images that only one gets right, by descending confidence of the other where known."""
    samples, anchor = pair.only(second=second), "second" if second else "first"
    title = f"Only the {anchor} is right"
    if not samples or image is None:
        return Section(anchor=anchor, title=title, body=Markup())
    wrong = pair.first if second else pair.second
    mistakes = [_mistake(pair.first.names[i], pair.first.labels[i], wrong, i, image) for i in samples[:MOST]]
    every = "One" if len(samples) == 1 else f"All {len(samples)}"
    which = every if len(samples) <= MOST else f"{MOST} of {len(samples):,}"
    has_confidence = not np.isnan(wrong.confidence).all()
    note = f"{which}, the surest mistakes of the other ({wrong.name}) first." if has_confidence else f"{which}."
    return Section(anchor=anchor, title=title, note=note, body=mistakes_grid(mistakes))


def _mistake(name: str, label: str, wrong: Answers, sample: int, image: Image) -> Mistake:
    confidence = float(wrong.confidence[sample])
    return Mistake(
        picture=thumbnail(as_picture(image(name))),
        name=name,
        true=label,
        predicted=wrong.predicted[sample],
        probability=None if np.isnan(confidence) else confidence,
    )
