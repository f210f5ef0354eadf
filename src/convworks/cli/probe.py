"""`convworks probe`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convworks.cli.answer import Answer, percent, table
from convworks.cli.place import check_place
from convworks.transfer_api import probe

SUFFIXES = (".png", ".svg")


def run(bundle: str, *, data: str, taps: Sequence[str], out: Path, pool: str, seed: int, device: str) -> Answer:
    """Probe, draw the curve, and say where the classes can be told apart best."""
    check_place("--out", out, SUFFIXES)
    values = probe(bundle, data=data, taps=taps, pool=pool, seed=seed, device=device)
    from convworks.evaluate.depth_curve import depth_curve
    from convworks.evaluate.draw_file import write_drawing

    rows, best = values["probes"], values["best"]
    title = f"Linear probes: {values['model']} on {values['source']}"
    remarks = "share of right answers by the features at each tap, the network as it is"
    write_drawing(out, depth_curve(rows, title=title, remarks=remarks))
    values["curve"] = str(out)
    header = ["tap", "features", "C", "validation", "test", "95 % interval"]
    lines = [
        table(header, [_row(row) for row in rows]),
        "",
        f"best on validation: {best}",
        f"curve: {out}",
        f"next:  {shlex.join(['convworks', 'transfer', bundle, '--data', data, '--cut', best])}",
    ]
    return Answer(values=values, text="\n".join(lines))


def _row(row: dict[str, Any]) -> list[object]:
    test = percent(row["test"]) if row["test"] is not None else ""
    interval = " to ".join(percent(value) for value in row["interval"] or ())
    return [row["tap"], row["features"], f"{row['C']:g}", percent(row["validation"]), test, interval]
