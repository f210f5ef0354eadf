"""Two networks on the same images by a score of each image, for those whose answers are neither right nor wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from convworks.csv_files import decimals, write_csv
from convworks.data.labels import finder
from convworks.errors import InputError, counted
from convworks.metrics.compare import ScoreComparison, compare_scores
from convworks.metrics.spec import MetricSpec
from convworks.pages import blocks
from convworks.pages.blocks import Section
from convworks.pages.numbers import p_value
from convworks.pages.tables import Row, table
from convworks.tasks.outcome import Graded

#: Images of a page, for each of the two.
MOST = 24


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The score of each image of a split by one network."""

    name: str
    names: tuple[str, ...]
    scores: Float64[np.ndarray, " n"]
    summary: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ScoredPair:
    """The scores of two networks for the same images in the same order, and their comparison."""

    metric: MetricSpec
    first: Scored
    second: Scored
    comparison: ScoreComparison

    def plain(self) -> dict[str, Any]:
        """Return the metrics as plain numbers and lists."""
        return {
            "n": len(self.first.names),
            "metric": self.metric.name,
            "first": _measured(self.first, self.metric),
            "second": _measured(self.second, self.metric),
            "difference": self.comparison.difference,
            "difference_interval": None if (ends := self.comparison.interval) is None else list(ends),
            "p": self.comparison.p,
            "second_better": self.comparison.better,
            "first_better": self.comparison.worse,
            "equal": self.comparison.equal,
        }


def scored(name: str, outcome: Graded) -> Scored:
    """Return the scores of an outcome."""
    return Scored(name=name, names=outcome.names, scores=outcome.scores, summary=outcome.summary())


def pair_scores(first: Scored, second: Scored, metric: MetricSpec) -> ScoredPair:
    """Align the scores of two networks, without images for which one is not defined; InputError if images differ."""
    find = finder(second.names)
    places = [find(name) for name in first.names]
    if None in places or len(first.names) != len(second.names):
        raise InputError(second.name, f"has other images than {first.name}", "compare networks on the same images")
    order = np.array(places, dtype=np.int64)
    both = ~np.isnan(first.scores) & ~np.isnan(second.scores[order])
    if not both.any():
        raise InputError(first.name, f"has no image with a {metric.title}", "give images whose pixels count")
    names = tuple(name for name, known in zip(first.names, both.tolist(), strict=True) if known)
    one = Scored(name=first.name, names=names, scores=first.scores[both], summary=first.summary)
    other = Scored(name=second.name, names=names, scores=second.scores[order][both], summary=second.summary)
    comparison = compare_scores(one.scores, other.scores)
    return ScoredPair(metric=metric, first=one, second=other, comparison=comparison)


def write_scored_pair(folder: Path, pair: ScoredPair, *, title: str, command: str) -> Path:
    """Write compare.html, and compare.csv with both scores of each image."""
    folder.mkdir(parents=True, exist_ok=True)
    header = ("path", "first", "second", "difference")
    changes = pair.second.scores - pair.first.scores
    columns = (pair.first.names, *map(decimals, (pair.first.scores, pair.second.scores, changes)))
    write_csv(folder / "compare.csv", header, zip(*columns, strict=True))
    values, metric, comparison = pair.plain(), pair.metric, pair.comparison
    ends = [f"{100 * end:+.2f}" for end in comparison.interval or ()]
    words = blocks.paragraphs(
        [
            f"Mean difference of the {metric.title} of each of {counted(values['n'], 'image')}, "
            f"{pair.second.name} minus {pair.first.name}: "
            f"{f'95 % interval {ends[0]} to {ends[1]} points' if ends else 'one has no interval'}.",
            f"Wilcoxon's signed-rank test: p {p_value(comparison.p)}.",
        ]
    )
    facts = [
        ("Better in the second", f"{comparison.better:,}"),
        ("Better in the first", f"{comparison.worse:,}"),
        ("Equal", f"{comparison.equal:,}"),
    ]
    rows = [
        Row(cells=(key, values[key]["name"], metric.write(values[key][metric.name]))) for key in ("first", "second")
    ]
    return blocks.write_page(
        folder / "compare.html",
        title=title,
        headline=blocks.headline(
            f"{100 * comparison.difference:+.2f}", unit=" points", words=words, beside=blocks.figures(facts)
        ),
        sections=[
            Section(anchor="figures", title="Over the split", body=table(("", "network", metric.title), rows, texts=2)),
            _better(pair, changes, second=False),
            _better(pair, changes, second=True),
            Section(anchor="commands", title="Commands", body=blocks.commands([("Reproduce", command)])),
        ],
        beside=("compare.csv",),
    )


def _better(pair: ScoredPair, changes: Float64[np.ndarray, " n"], *, second: bool) -> Section:
    """Tabulate the images in which one network is better, by how much."""
    sign, which = (1, "second") if second else (-1, "first")
    order = [int(index) for index in np.argsort(-sign * changes, kind="stable") if sign * changes[index] > 0][:MOST]
    write = pair.metric.write
    rows = [
        Row(
            cells=(
                pair.first.names[i],
                write(pair.first.scores[i]),
                write(pair.second.scores[i]),
                f"{100 * changes[i]:+.2f}",
            )
        )
        for i in order
    ]
    body = table(("image", "first", "second", "points"), rows) if rows else blocks.paragraphs(["None."])
    return Section(anchor=which, title=f"The {which} is better", note="Largest difference first.", body=body)


def _measured(each: Scored, metric: MetricSpec) -> dict[str, Any]:
    interval = each.summary.get("intervals", {}).get(metric.name)
    return {
        "name": each.name,
        metric.name: each.summary[metric.name],
        "interval": interval,
        "mean": float(each.scores.mean()),
    }
