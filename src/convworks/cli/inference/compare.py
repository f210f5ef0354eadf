"""`convworks compare`: its options and its work."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from convworks.cli.answer import Answer, percent, repeated, table
from convworks.cli.commands import app
from convworks.cli.options import Debug, Device, Json, Split
from convworks.cli.place import attempt

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
    from convworks.api.compare import compared

    began = time.perf_counter()
    found, write = compared(first, second, data=data, split=split, out=out, device=device)
    page, lost = attempt(write) if write is not None else (None, None)
    found |= {"report": str(page)} if page is not None else {}
    found["seconds"] = round(time.perf_counter() - began, 3)
    return Answer(values=found, text="\n".join(lines(found, split)), error=lost)


def lines(found: dict[str, Any], split: str | None) -> list[str]:
    """Tell both shares, their difference, how many images only one has right, and what to ask next of the `split`."""
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
    asked = {"--data": found["data"], "--split": split}
    if "report" not in found:
        return [*told, f"next:   {repeated(['compare', *words], {**asked, '--out': 'compared'})}"]
    told.append(f"report: {found['report']}")
    if found["data"] is None or words[1].lower().endswith(".csv"):
        return told
    return [*told, f"next:   {repeated(['evaluate', words[1]], asked)} --out DIR"]
