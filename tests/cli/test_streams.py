"""Standard output and error that are closed, full, or cannot write what a file is called."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from workplace import Place, check_line, environment, predict

from convworks.cli.main import run

#: Names with a line, colours, an override of the direction, a byte that is no UTF-8, and letters that are not Latin.
ODD = ("two\nlines", "\x1b[31mred", "\u202egnp", os.fsdecode(b"s\xff"), "日本語", "two  spaces")
FULL = Path("/dev/full")


def shell(command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which `cw` is this convworks."""
    line = f'cw() {{ "{sys.executable}" -m convworks "$@"; }}; {command}'
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, env={**environment(), **more})


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is full")
def test_output_that_is_closed_or_full(place: Place) -> None:
    done = shell("cw recipes >&-")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("cw recipes --json", "cw train --help"):
        done = shell(f"{command} >/dev/full")
        assert done.returncode == 1
        check_line(done.stderr, ["standard output: No space left on device"])
    done = shell("cw data gone --json >/dev/full")
    assert done.returncode == 2
    check_line(done.stderr, ["gone: "])
    done = shell("cw recipes --json | true; cw data gone --json | true; cw train --help | true")
    check_line(done.stderr, ["gone: "])


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is full")
def test_the_work_is_done_though_nobody_listens(place: Place) -> None:
    place.folder()
    training = "train --data data --model convnet_digits --epochs 1"
    done = shell(f"cw {training} --json --out a 2>&- && cw {training} --out b 2>/dev/full >&- <&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["epochs"] == 1
    records = [json.loads(Path(run, "run.json").read_text()) for run in "ab"]
    assert [record["status"] for record in records] == ["finished", "finished"]
    weights = [Path(run, "bundle", "weights.safetensors").read_bytes() for run in "ab"]
    assert weights[0] == weights[1]
    done = shell("cw data gone 2>&-")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_of_any_kind(
    encoding: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each image is one line of printable text, in every encoding, and exact in JSON."""
    place.images("x")
    for name in ODD:
        os.rename(next(Path("x").glob("[0-9].png")), f"x/{name}.png")
    paths = {f"x/{name}.png" for name in ODD}
    bundle = place.bundle()
    Path("x/text.png").write_text("no image")
    file = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding=encoding))
        assert run(predict(bundle, "x")) == 1
        lines = file.getvalue().decode(encoding).splitlines()
    assert len(lines) == len(ODD) + 4  # header, the text, what failed, what next
    assert all(line.isprintable() for line in lines)
    if encoding == "utf-8":
        shown = (r"two\nlines", r"\x1b[31mred", r"\u202egnp", r"s\xff", "日本語", "two  spaces")
        assert all(any(line.startswith(f"x/{name}.png ") for line in lines) for name in shown)
    assert run([*predict(bundle, "x"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {row["path"] for row in found["predictions"]} == paths
