"""`convworks probe`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convworks.cli.answer import Answer, percent, table
from convworks.cli.place import check_place
from convworks.console import downloading
from convworks.data.source import open_source

SUFFIXES = (".png", ".svg")


def run(bundle: str, *, data: str, taps: Sequence[str], out: Path, pool: str, seed: int, device: str) -> Answer:
    """Probe, draw the curve, and say where the classes can be told apart best."""
    started = time.perf_counter()
    check_place("--out", out, SUFFIXES)
    source = open_source(data, report=downloading())
    from convworks.evaluate.depth_curve import depth_curve
    from convworks.evaluate.draw_file import write_drawing
    from convworks.evaluate.predictor import load
    from convworks.evaluate.probe import probe

    predictor = load(bundle, device=device)
    rows = probe(predictor, source, taps, pool=pool, seed=seed)
    title = f"Linear probes: {predictor.bundle.model.name} on {source.name}"
    remarks = "share of right answers by the features at each tap, the network as it is"
    write_drawing(out, depth_curve(rows, title=title, remarks=remarks))
    best = max(rows, key=lambda row: float(row["validation"]))
    seconds = round(time.perf_counter() - started, 3)
    values = {"model": predictor.bundle.model.name, "source": source.name, "probes": rows, "best": best["tap"]}
    values |= {"pool": pool, "curve": str(out), "seconds": seconds}
    header = ["tap", "features", "C", "validation", "test", "95 % interval"]
    lines = [
        table(header, [_row(row) for row in rows]),
        "",
        f"best on validation: {best['tap']}",
        f"curve: {out}",
        f"next:  convworks transfer {bundle} --data {data} --cut {best['tap']}",
    ]
    return Answer(values=values, text="\n".join(lines))


def _row(row: dict[str, Any]) -> list[object]:
    test = percent(row["test"]) if row["test"] is not None else ""
    interval = " to ".join(percent(value) for value in row["interval"] or ())
    return [row["tap"], row["features"], f"{row['C']:g}", percent(row["validation"]), test, interval]
