"""Ctrl-C: in the middle of training a checkpoint and how to go on, everywhere else one line and nothing half-done."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workplace import NOTES, Place, check_line, environment, evaluate, predict, snapshot, train

from convworks.cli.main import run

EPOCHS = 20


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_run_goes_on(number: signal.Signals, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    command = train(place.folder(), "--epochs", str(EPOCHS), "--set", "training.batch_size=1")
    arguments = [sys.executable, "-m", "convworks", *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True, env=environment()) as process:
        assert process.stderr is not None
        while not (first := process.stderr.readline()).startswith("epoch 1/"):
            assert first.startswith(NOTES)
        process.send_signal(number)
        out, rest = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    *progress, line = rest.splitlines()
    assert all(text.startswith("epoch ") for text in progress)
    assert line.startswith("convworks: interrupted: checkpoint saved after step ")
    assert json.loads(Path("out/run.json").read_text())["status"] == "stopped"
    assert not list(Path("out").rglob("*.partial"))

    on, _, end = line.partition("resume with: ")[2].partition(", or end it after epoch ")
    name, *again = shlex.split(on)
    assert (name, again) == ("convworks", ["train", "--resume", "out"])
    assert end.partition(": ")[2] == "convworks train --resume out --finish"
    assert run([*again, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["epochs"] == EPOCHS
    rows = [json.loads(text) for text in Path("out/metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, EPOCHS + 1))
    assert json.loads(Path("out/run.json").read_text())["status"] == "finished"


#: A command, and what it is at when somebody stops it.
BEFORE: dict[str, tuple[list[str], str]] = {
    "data": (["data", "data"], "convworks.cli.data.survey"),
    "pack": (["data", "data", "--pack", "packed"], "convworks.data.shards.pack.write_index"),
    "train, looking": (["train", "--data", "data", "--out", "out"], "convworks.recipes.folder.default"),
    "train, decoding": (train("data"), "convworks.training.run.prepare_data"),
    "train, before the first step": (train("data"), "convworks.training.fitting.fit"),
    "transfer": (["transfer", "bundle", "--data", "data", "--out", "out"], "convworks.training.fitting.fit"),
    "restarts": (["restarts", *train("data")[1:]], "convworks.experiments.job.train"),
    "crossval": (["crossval", *train("data")[1:]], "convworks.experiments.job.train"),
    "tune": (["tune", *train("data")[1:]], "convworks.experiments.job.train"),
    "evaluate": ([*evaluate("bundle", "data"), "--out", "out"], "convworks.inference.predictor.Predictor.measured"),
    "compare": (["compare", "bundle", "bundle", "--data", "data", "--out", "out"], "convworks.api.compare._load"),
    "predict": ([*predict("bundle", "data"), "--out", "a.csv"], "convworks.inference.bulk.unfinished.write_signed"),
    "filter": (["filter", "data", "--kernel", "edge"], "convworks.cli.filter.filter_file"),
    "features": (["features", "bundle", "--data", "data"], "convworks.inference.feature_table.features"),
    "probe": (["probe", "bundle", "--data", "data"], "convworks.inference.probe.probe"),
    "lr-range": (["lr-range", *train("data")[1:-4]], "convworks.training.lr_range.sweep.step"),
    "models": (["models"], "convworks.models.analysis.counted.counted"),
    "export": (["export", "bundle", "--format", "timm"], "convworks.bundle.bundle.load_bundle"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_a_stopped_command(
    name: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (verb, *rest), target = BEFORE[name]
    place.folder()
    place.bundle()

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(target, interrupted)
    before = snapshot(place.root)
    for options in ([], ["--json"]):
        assert run([verb, *options, *rest]) == 130
        out, line = capsys.readouterr()
        check_line(line, ["interrupted: ", "again"])
        assert not options or set(json.loads(out)["error"]) == {"where", "reason", "remedy"}
        assert bool(options) == bool(out)
    assert snapshot(place.root) == before


IMPORTING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background begins by ignoring it
class Finder:
    def find_spec(self, name, *others):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
from convworks.cli.main import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "torch"])
def test_a_command_that_is_stopped_while_libraries_are_imported(module: str, place: Place) -> None:
    place.bundle()
    command = [sys.executable, "-c", IMPORTING.format(module=module), *evaluate("bundle", "digits"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 130
    check_line(done.stderr, ["interrupted: "])
    assert set(json.loads(done.stdout)) == {"error"}
