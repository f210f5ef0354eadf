"""`convworks features`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from convworks.api.transfer import features
from convworks.bundle.description import folder_of
from convworks.cli.answer import Answer
from convworks.cli.output_path import output_path
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.sources.open import open_source
from convworks.errors import counted
from convworks.outputs import Protected

DEFAULT, SUFFIXES = Path("features.npz"), (".npz", ".parquet")


def run(
    bundle: str,
    *,
    data: str,
    taps: Sequence[str],
    out: Path | None,
    overwrite: bool,
    split: str | None,
    pool: str,
    device: str,
) -> Answer:
    """Compute the features of a source, and write them."""
    started = time.perf_counter()
    source = open_source(data, report=downloading())
    read = protect(source) + Protected(folders=(folder_of(Path(bundle)),))
    path = output_path("--out", out, DEFAULT, read, suffixes=SUFFIXES, overwrite=overwrite)
    table = features(bundle, data=source, taps=taps, split=split, pool=pool, device=device)
    from convworks.inference.feature_table import write_table

    write_table(path, table)
    widths = {tap: values.shape[1] for tap, values in table.taps.items()}
    seconds = round(time.perf_counter() - started, 3)
    values = {
        "file": str(path),
        "n": len(table.names),
        "splits": {name: table.splits.count(name) for name in dict.fromkeys(table.splits)},
        "taps": widths,
        "pool": pool,
        "seconds": seconds,
    }
    lines = [f"{tap}: {width:,} numbers per image" for tap, width in widths.items()]
    how = f"np.load({str(path)!r})" if path.suffix.lower() == ".npz" else f"pandas.read_parquet({str(path)!r})"
    text = "\n".join(
        [f"{counted(len(table.names), 'image')} in {seconds:.1f} s", *lines, f"file: {path}", f"next: {how}"]
    )
    return Answer(values=values, text=text)
