"""Bad use of `predict` for many files: one line that names option, reason and remedy; nothing is left behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from workplace import Place, Rows, check_row, predict

from convworks.cli.main import run
from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source
from convworks.inference.bulk import unfinished
from convworks.signed import signed


def into(place: Place, *words: str, out: str = "x.csv") -> list[str]:
    return [*predict(place.bundle(), place.images("x")), "--out", out, *words]


def begun(place: Place, *words: str, change: Callable[[], object] = lambda: None) -> list[str]:
    """Leave half a file behind, change something, and go on with other words."""
    command = [*predict(place.bundle(), place.images("x")), "--out", "x.csv"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()):
        patch.setattr(unfinished.Unfinished, "record", half)
        assert run(command) == 130
    change()
    return [*command, *words]


def half(state: unfinished.Unfinished, *, finishing: bool = False) -> None:
    """Record three rows, and be interrupted."""
    state.file.flush()
    rows = (state.folder / "rows.csv").read_bytes().splitlines(keepends=True)[:4]
    content = b"".join(rows)
    values = {"rows": 3, "bytes": len(content), "content": hashlib.sha256(content).hexdigest()}
    values |= {"failed": 0, "errors": [], "finishing": False, "overwrite": False}
    text = json.dumps(signed({"format": 1, "job": dict(state.job), **values}))
    (state.folder / "job.json").write_text(text)
    state.rows = state.recorded = 3
    raise KeyboardInterrupt


def other_bundle(place: Place) -> None:
    shutil.rmtree("bundle")
    place.bundle(lambda description: description.update(classes=["x", "y"]))


def shards(place: Place) -> str:
    pack(open_source(place.folder()), Path("s"))
    return "s"


HALF = "x.csv.unfinished"
ROWS: Rows = {
    "shard 0 of 4": (lambda p: into(p, "--shard", "0/4"), "--shard | '0/4' | K/N | 3/16"),
    "shard 5 of 4": (lambda p: into(p, "--shard", "5/4"), "--shard | '5/4' | from 1 to N"),
    "half a shard": (lambda p: into(p, "--shard", "1"), "--shard | '1' | K/N"),
    "a shard of the table": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--shard", "1/2"],
        "--shard | is for answers in a file | add --out FILE.csv",
    ),
    "resume without a file": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--resume"],
        "--resume | is for answers in a file | add --out FILE.csv",
    ),
    "resume a finished file": (
        lambda p: into(p, "--resume", out=p.write("x.csv", "finished")),
        "--out x.csv | already exists | --overwrite",
    ),
    "a file of another kind": (lambda p: into(p, out="x.txt"), "--out x.txt | .csv or .jsonl or .parquet"),
    "columns in lines": (lambda p: into(p, "--probabilities", out="x.jsonl"), "--probabilities | .csv or .parquet"),
    "workers that are none": (lambda p: into(p, "--workers", "4"), "--workers | '4' | ray"),
    "something in the way": (
        lambda p: [p.write(HALF, "mine")] and into(p),
        f"--out x.csv | {HALF} is in the way | move it",
    ),
    "begun before": (lambda p: begun(p), f"3 of 6 rows are in {HALF} | --resume | --overwrite"),
    "resume with another bundle": (
        lambda p: begun(p, "--resume", change=lambda: other_bundle(p)),
        "--resume x.csv | was begun with another bundle | --overwrite",
    ),
    "resume with other images": (
        lambda p: begun(p, "--resume", change=lambda: Path("x/9.png").write_bytes(b"")),
        "--resume x.csv | was begun with other images",
    ),
    "resume with other options": (
        lambda p: begun(p, "--resume", "--top", "1"),
        "--resume x.csv | was begun with top 5, not 1 | give the same",
    ),
    "resume another shard": (
        lambda p: begun(p, "--resume", "--shard", "1/2"),
        "--resume x.csv | was begun with shard 1/1, not 1/2",
    ),
    "rows that were edited": (
        lambda p: begun(p, "--resume", change=lambda: p.flip_at(f"{HALF}/rows.csv", 40)),
        f"{HALF}/rows.csv | was modified | --overwrite",
    ),
    "rows that are lost": (
        lambda p: begun(p, "--resume", change=lambda: p.write(f"{HALF}/rows.csv", "path")),
        f"{HALF}/rows.csv | shorter than its record",
    ),
    "a record that was edited": (
        lambda p: begun(p, "--resume", change=lambda: Path(HALF, "job.json").write_text('{"format": 1}')),
        f"{HALF}/job.json | was modified | --overwrite",
    ),
    "an ensemble of strangers": (
        lambda p: into(p, "--ensemble", p.bundle(lambda d: d.update(classes=["x", "y"]), name="other")),
        "other | different classes from bundle",
    ),
    "a combination of one": (lambda p: into(p, "--combine", "vote"), "--combine | there is one | leave it out"),
    "no such views": (lambda p: into(p, "--protocol", "tencrop"), "--protocol | 'tencrop' | ten-crop"),
    "dense views elsewhere": (
        lambda p: into(p, "--protocol", "dense", "--runtime", "onnx"),
        "--protocol | PyTorch, not in onnx | leave out --runtime",
    ),
    "a server that is not there": (
        lambda p: [*predict(p.bundle(), "http://127.0.0.1:9/x.tar"), "--out", "x.csv"],
        "http://127.0.0.1:9/x.tar | is a shard | index",
    ),
    "a folder without images or shards": (lambda p: predict(p.bundle(), "bundle"), "bundle | contains no images"),
    "a filter of shards": (
        lambda p: ["filter", shards(p), "--kernel", "edge"],
        "s/ | is not a file of its own, which a filter needs | unpack it",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(
    name: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convworks.inference.bulk.scorers.MOST", 3)
    if name == "dense views elsewhere":
        pytest.importorskip("onnxruntime")
    capsys.readouterr()
    check_row(ROWS[name], place, capsys)
