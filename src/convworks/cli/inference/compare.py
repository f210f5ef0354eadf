"""`convworks compare`: its options and its work."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from convworks.cli.answer import Answer, percent, table
from convworks.cli.commands import app
from convworks.cli.help import COMPARE
from convworks.cli.options import Debug, Device, Json, Split
from convworks.cli.output_path import attempt
from convworks.commands import repeated
from convworks.metrics.spec import spec

Answered = Annotated[Path, typer.Argument(help="The folder of a bundle or a run, or a predictions.csv.")]


@app.command(rich_help_panel=COMPARE)
def compare(
    first: Answered,
    second: Answered,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="A labelled source; with two predictions.csv, only for the images on the page."
        ),
    ] = None,
    split: Split = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a page, and compare.csv with the disagreements, into this new folder."),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Compare the accuracy of two bundles on the same images.

    Reports the difference, its 95 % interval, and whether it is significant.
    """
    from convworks.api.compare import compared

    began = time.perf_counter()
    results, write = compared(first, second, data=data, split=split, out=out, device=device)
    page, lost = attempt(write) if write is not None else (None, None)
    results |= {"report": str(page)} if page is not None else {}
    results["seconds"] = round(time.perf_counter() - began, 3)
    return Answer(values=results, text="\n".join(lines(results, split)), error=lost)


def lines(results: dict[str, Any], split: str | None) -> list[str]:
    """Describe both accuracies, their difference, the counts of disagreements, and the next command for the `split`."""
    if "metric" in results:
        return [*_scores(results), *_following(results, split)]
    rows = []
    for key in ("first", "second"):
        each = results[key]
        low, high = each["interval"]
        rows.append([key, each["name"], percent(each["accuracy"]), f"{percent(low)} to {percent(high)}"])
    less, more = results["difference_interval"]
    text = [
        table(["", "network", "accuracy", "95 % interval"], rows),
        f"second minus first: {100 * results['difference']:+.2f} points (95 % interval {100 * less:+.2f} to "
        f"{100 * more:+.2f}), McNemar's exact test: p = {results['p']:.3g}",
        f"images: {results['n']:,}; only the first correct: {results['only_first']:,}, only the second: "
        f"{results['only_second']:,}, both: {results['both_right']:,}, none: {results['both_wrong']:,}",
    ]
    return [*text, *_following(results, split)]


def _scores(results: dict[str, Any]) -> list[str]:
    """Describe both networks by their scores, the difference image by image, and how many images each does better."""
    metric = spec(results["metric"])
    rows = []
    for key in ("first", "second"):
        each = results[key]
        interval = " to ".join(map(percent, each["interval"] or ()))  # which one image has not
        rows.append([key, each["name"], percent(each[metric.name]), interval])
    ends = [f"{100 * end:+.2f}" for end in results["difference_interval"] or ()]
    difference = f"{100 * results['difference']:+.2f} points" + (
        f" (95 % interval {' to '.join(ends)})" if ends else ""
    )
    return [
        table(["", "network", metric.title, "95 % interval"], rows),
        f"second minus first, mean over the images: {difference}, Wilcoxon's signed-rank test: p = {results['p']:.3g}",
        f"images: {results['n']:,}; better in the first: {results['first_better']:,}, in the second: "
        f"{results['second_better']:,}, equal: {results['equal']:,}",
    ]


def _following(results: dict[str, Any], split: str | None) -> list[str]:
    """Name the report, and the next command."""
    words = [results["first"]["name"], results["second"]["name"]]
    options = {"--data": results["data"], "--split": split}
    if "report" not in results:
        return [f"next:   {repeated(['compare', *words], {**options, '--out': 'compared'})}"]
    text = [f"report: {results['report']}"]
    if results["data"] is None or words[1].lower().endswith(".csv"):
        return text
    from convworks.report.next_step import errors_folder

    return [*text, f"next:   {repeated(['evaluate', words[1]], {**options, '--out': errors_folder(words[1])})}"]
