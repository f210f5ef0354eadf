"""`convworks compare`: its options and its work."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from convworks.cli.answer import Answer, percent, table
from convworks.cli.commands import app
from convworks.cli.options import Debug, Device, Json, Split

Answered = Annotated[Path, typer.Argument(help="The folder of a bundle or a run, or a predictions.csv.")]


@app.command()
def compare(
    first: Answered,
    second: Answered,
    data: Annotated[
        str | None, typer.Option(help="A labelled source; for two predictions.csv only the pictures of the page.")
    ] = None,
    split: Split = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a page and compare.csv, what only one has right, into this new folder.")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Compare two bundles on the same images: how much better the second is, and whether that is chance."""
    from convworks.compare_api import compare as work

    found = work(first, second, data=data, split=split, out=out, device=device)
    return Answer(values=found, text="\n".join(lines(found)))


def lines(found: dict[str, Any]) -> list[str]:
    """Tell both shares, their difference, and how many images only one has right."""
    rows = []
    for key in ("first", "second"):
        each = found[key]
        low, high = each["interval"]
        rows.append([key, each["name"], percent(each["accuracy"]), f"{percent(low)} to {percent(high)}"])
    less, more = found["difference_interval"]
    told = [
        table(["", "network", "right", "95 % interval"], rows),
        f"second minus first: {100 * found['difference']:+.2f} points (95 % interval {100 * less:+.2f} to "
        f"{100 * more:+.2f}), McNemar's exact test: p = {found['p']:.3g}",
        f"images: {found['n']:,}; only the first right: {found['only_first']:,}, only the second: "
        f"{found['only_second']:,}, both: {found['both_right']:,}, none: {found['both_wrong']:,}",
    ]
    words = [found["first"]["name"], found["second"]["name"]]
    source = ["--data", found["data"]] if found["data"] is not None else []
    if "report" not in found:
        return [*told, f"next:   {shlex.join(['convworks', 'compare', *words, *source, '--out', 'compared'])}"]
    told.append(f"report: {found['report']}")
    if not source or words[1].lower().endswith(".csv"):
        return told
    return [*told, f"next:   {shlex.join(['convworks', 'evaluate', words[1], *source])} --out DIR"]
