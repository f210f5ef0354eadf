"""`convworks probe`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from convworks.api.transfer import probe
from convworks.bundle.description import folder_of
from convworks.cli.answer import Answer, percent, table
from convworks.cli.output_path import failure, picture_path
from convworks.commands import repeated
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.sources.open import open_source
from convworks.outputs import Protected

DEFAULT, SUFFIXES = Path("probe.png"), (".png", ".svg")


def run(
    bundle: str,
    *,
    data: str,
    taps: Sequence[str],
    out: Path | None,
    overwrite: bool,
    pool: str,
    seed: int,
    device: str,
) -> Answer:
    """Fit the probes, draw the curve, and report the best tap."""
    source = open_source(data, report=downloading())
    read = protect(source) + Protected(folders=(folder_of(Path(bundle)),))
    path = picture_path("--out", out, DEFAULT, read, suffixes=SUFFIXES, overwrite=overwrite)
    values = probe(bundle, data=source, taps=taps, pool=pool, seed=seed, device=device)
    from convworks.charts.depth_curve import depth_curve
    from convworks.charts.draw_file import write_drawing

    rows, best = values["probes"], values["best"]
    title = f"Linear probes: {values['model']} on {values['source']}"
    remarks = "accuracy of a linear classifier on the features at each tap, with the network frozen"
    error = None
    if path is not None:
        error = failure(partial(write_drawing, path, depth_curve(rows, title=title, remarks=remarks)))
        values |= {"curve": str(path)} if error is None else {}
    header = ["tap", "features", "C", "validation", "test", "95 % interval"]
    lines = [
        table(header, [_row(row) for row in rows]),
        "",
        f"best on validation: {best}",
        *([f"curve: {values['curve']}"] if "curve" in values else []),
        f"next:  {repeated(['transfer', bundle], {'--data': data, '--cut': best})}",
    ]
    return Answer(values=values, text="\n".join(lines), error=error)


def _row(row: dict[str, Any]) -> list[object]:
    test = percent(row["test"]) if row["test"] is not None else ""
    interval = " to ".join(percent(value) for value in row["interval"] or ())
    return [row["tap"], row["features"], f"{row['C']:g}", percent(row["validation"]), test, interval]
