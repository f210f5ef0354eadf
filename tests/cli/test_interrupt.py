"""Ctrl-C in the middle of training: a checkpoint, one line that says how to go on, and that it does go on."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workplace import Place, environment, train

from convworks.cli.main import run

EPOCHS = 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on(number: signal.Signals, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    command = train(place.folder(), "--epochs", str(EPOCHS), "--set", "training.batch_size=1")
    arguments = [sys.executable, "-m", "convworks", *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True, env=environment()) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(number)
        out, rest = process.communicate(timeout=120)
    assert first.startswith("epoch 1/")
    assert (process.returncode, out) == (130, "")
    *progress, line = rest.splitlines()
    assert all(text.startswith("epoch ") for text in progress)
    assert line.startswith("convworks: interrupted: checkpoint saved after step ")
    assert json.loads(Path("out/run.json").read_text())["status"] == "stopped"
    assert not list(Path("out").rglob("*.partial"))

    name, *again = shlex.split(line.partition("go on with: ")[2])
    assert (name, again) == ("convworks", ["train", "--resume", "out"])
    assert run([*again, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["epochs"] == EPOCHS
    rows = [json.loads(text) for text in Path("out/metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, EPOCHS + 1))
    assert json.loads(Path("out/run.json").read_text())["status"] == "finished"
