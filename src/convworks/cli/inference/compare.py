"""`convworks compare`: its options and its work."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from convworks.cli.answer import Answer, percent, repeated, table
from convworks.cli.commands import app
from convworks.cli.help import COMPARE
from convworks.cli.options import Debug, Device, Json, Split
from convworks.cli.output_path import attempt

Answered = Annotated[Path, typer.Argument(help="The folder of a bundle or a run, or a predictions.csv.")]


@app.command(rich_help_panel=COMPARE)
def compare(
    first: Answered,
    second: Answered,
    data: Annotated[
        str | None, typer.Option(help="A labelled source; with two predictions.csv, only for the images on the page.")
    ] = None,
    split: Split = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a page, and compare.csv with the disagreements, into this new folder.")
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
    words = [results["first"]["name"], results["second"]["name"]]
    options = {"--data": results["data"], "--split": split}
    if "report" not in results:
        return [*text, f"next:   {repeated(['compare', *words], {**options, '--out': 'compared'})}"]
    text.append(f"report: {results['report']}")
    if results["data"] is None or words[1].lower().endswith(".csv"):
        return text
    from convworks.report.next_step import errors_folder

    return [*text, f"next:   {repeated(['evaluate', words[1]], {**options, '--out': errors_folder(words[1])})}"]
