"""`convworks features`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from convworks.cli.answer import Answer
from convworks.cli.place import check_place
from convworks.transfer_api import features

SUFFIXES = (".npz", ".parquet")


def run(bundle: str, *, data: str, taps: Sequence[str], out: Path, split: str | None, pool: str, device: str) -> Answer:
    """Compute the features of a source, and write them."""
    started = time.perf_counter()
    check_place("--out", out, SUFFIXES)
    table = features(bundle, data=data, taps=taps, split=split, pool=pool, device=device)
    from convworks.evaluate.feature_table import write_table

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
