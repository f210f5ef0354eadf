"""`convworks features`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from convworks.cli.answer import Answer
from convworks.cli.place import check_place
from convworks.console import downloading
from convworks.data.source import open_source

SUFFIXES = (".npz", ".parquet")


def run(bundle: str, *, data: str, taps: Sequence[str], out: Path, split: str | None, pool: str, device: str) -> Answer:
    """Compute the features of a source, and write them."""
    started = time.perf_counter()
    check_place("--out", out, SUFFIXES)
    source = open_source(data, report=downloading())
    from convworks.evaluate.feature_table import feature_table, named_pool, write_table
    from convworks.evaluate.predictor import load

    named_pool(pool)
    table = feature_table(load(bundle, device=device), source, taps, split=split, pool=pool)
    write_table(out, table)
    widths = {tap: values.shape[1] for tap, values in table.taps.items()}
    seconds = round(time.perf_counter() - started, 3)
    values = {
        "file": str(out),
        "n": len(table.names),
        "splits": {name: table.splits.count(name) for name in dict.fromkeys(table.splits)},
        "taps": widths,
        "pool": pool,
        "seconds": seconds,
    }
    lines = [f"{tap}: {width:,} numbers an image" for tap, width in widths.items()]
    how = f"np.load({str(out)!r})" if out.suffix.lower() == ".npz" else f"pandas.read_parquet({str(out)!r})"
    text = "\n".join([f"{len(table.names):,} images in {seconds:.1f} s", *lines, f"file: {out}", f"next: {how}"])
    return Answer(values=values, text=text)
