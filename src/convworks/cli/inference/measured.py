"""What `convworks evaluate` measures by each protocol, and how protocols compare."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convworks.cli.answer import table
from convworks.data.source import Source, Split

if TYPE_CHECKING:
    from convworks.inference.predictor import Predictor
    from convworks.tasks.task import Task


def measure(
    loaded: Sequence[Predictor],
    source: Source,
    split: str | None,
    protocol: str,
    combination: str,
    threshold: float | None,
    first: Any,
) -> tuple[dict[str, Any], Any]:
    """Return the metrics by one protocol, its cost, its difference from the `first` outcome; and the outcome."""
    from convworks.inference.ensemble import combine
    from convworks.inference.protocol import named
    from convworks.inference.together import together

    started = time.perf_counter()
    task = loaded[0].task
    if task.outcome is None:
        outcome: Any
        outcome, cost = together(loaded, protocol, combination).measured(source, split=split)
        views = 2.0 if named(protocol).mirrored else 1.0
        macs = views * (cost.macs + sum(other.macs for other in loaded[1:]))
    else:
        members = [each.measured(source, split=split, protocol=protocol, threshold=threshold) for each in loaded]
        pooled: list[Any] = [member for member, _ in members]
        outcome = combine(pooled, task.activation, combination)
        views, macs = members[0][1].views, sum(cost.macs for _, cost in members)
    row = {
        "split": outcome.split,
        "protocol": protocol,
        **outcome.summary(),
        "views": views,
        "macs": macs,
        "images_per_second": len(outcome.names) / (time.perf_counter() - started),
    }
    return row if first is None else row | _difference(task, first, outcome), outcome


def _difference(task: Task, first: Any, outcome: Any) -> dict[str, Any]:
    """Return how an outcome differs from the first: in right answers, or in the score of each sample."""
    import numpy as np

    from convworks.metrics.compare import compare, compare_scores

    if not task.judged and task.graded is None:
        return {}
    if task.judged:
        comparison: Any = compare(first.correct, outcome.correct)
    else:
        known = ~np.isnan(first.scores)  # of both: whether pixels count depends on the masks
        comparison = compare_scores(first.scores[known], outcome.scores[known])
    interval = None if comparison.interval is None else list(comparison.interval)
    return {"difference": comparison.difference, "difference_interval": interval, "p": comparison.p}


def compared(rows: Sequence[dict[str, Any]], task: Task) -> str:
    """Return a table of protocols: a metric with its interval, its difference from the first, and the cost."""
    return table(*comparison(rows, task))


def comparison(rows: Sequence[dict[str, Any]], task: Task) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of `compared`."""
    metric, cells = task.graded or task.score, []
    points = "points more an image (95 %)" if task.graded is not None else "points more (95 %)"
    for row in rows:
        ends = row.get(f"{metric.name}_interval") or row.get("interval") or row["intervals"].get(metric.name)
        interval = f"{metric.write(ends[0])} to {metric.write(ends[1])}" if ends else ""
        change = ""
        if "difference" in row:
            change = f"{100 * row['difference']:+.2f}"
            if row["difference_interval"] is not None:
                less, more = row["difference_interval"]
                change += f" ({100 * less:+.2f} to {100 * more:+.2f})"
        speed = f"{row['images_per_second']:,.0f}"
        value = metric.write(row[metric.name])
        cells.append([row["protocol"], value, interval, change, f"{row['views']:.4g}", written_macs(row), speed])
    return ["protocol", metric.title, "95 % interval", points, "views", "multiply-adds", "images/s"], cells


def written_macs(row: dict[str, Any]) -> str:
    """Write the multiply-adds of an image."""
    value = row["macs"]
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f}"


def share_measured(predictor: Predictor, split: Split) -> float | None:
    """Return which share of the pixels of masks is compared, which fitting by crop or pad may cut; None for labels."""
    from convworks.data.decode.shape import cut_share, read_headers

    if split.targets.spatial is None or not split.targets.spatial.nearest:
        return None
    preprocessing = predictor.bundle.preprocessing
    return 1 - cut_share(read_headers(split), preprocessing.size, preprocessing.fit)


def share_line(share: float, predictor: Predictor) -> str:
    """Say that a part of the pixels is compared alone; nothing for all of them."""
    if share >= 1:
        return ""
    preprocessing = predictor.bundle.preprocessing
    height, width = preprocessing.size
    return f"measured on {share:.0%} of the pixels: what data.fit={preprocessing.fit} keeps of them at {width}x{height}"
