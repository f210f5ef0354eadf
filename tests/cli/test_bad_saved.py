"""Files that convworks wrote and something else changed: runs, checkpoints, experiments, bundles, shard indexes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workplace import Edit, Place, Rows, check_line, check_row, evaluate, predict

import convworks
from convworks.cli.main import run
from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source
from convworks.signed import sealed, signed

DEEP = "[" * 100_000
FAIRLY_DEEP = '{"format": 1, "a": ' + "[" * 500 + "]" * 500 + "}"  # Python's own reader takes it


def resumed(p: Place, edit: Edit | None = None, *, sign: bool = True) -> list[str]:
    return ["train", "--resume", p.run(edit, sign=sign)]


def written(p: Place, name: str, text: str, *words: str) -> list[str]:
    """Put a text into the place of a file of a run or a bundle that are there."""
    p.run()
    p.bundle()
    p.write(name, text)
    return list(words)


def experiment(p: Place, change: Edit = lambda e: None, *, sign: bool = True) -> list[str]:
    """Write the record of restarts, and go on with them."""
    record = json.loads((p.trained / "run.json").read_text())
    values: dict[str, Any] = {"format": 2, "kind": "restarts", "status": "stopped", "asked": {"runs": 3, "first": 0}}
    values = signed({**values, "command": "", "train": "", "configuration": record["configuration"]})
    change(values)
    p.write("out/experiment.json", json.dumps(signed(values) if sign else values))
    return ["restarts", "--resume", "out"]


def checkpoint(p: Place, change: Edit, *, sign: bool) -> list[str]:
    p.run()
    (file,) = (p.root / "run" / "checkpoints").glob("*.json")
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(signed(values) if sign else values))
    return ["train", "--resume", "run"]


def index(p: Place, change: Edit, *, sign: bool = False) -> list[str]:
    """Pack the data, change the index, and train on it."""
    pack(open_source(p.folder()), p.root / "packed")
    values = json.loads((p.root / "packed" / "index.json").read_text())
    change(values)
    if sign:
        del values["sha256"]
    p.write("packed/index.json", sealed(values) if sign else json.dumps(values))
    return ["data", "packed"]


def relabelled(values: dict[str, Any]) -> None:
    values["shardlist"][0]["samples"]["labels"][0] ^= 1


def piped(p: Place, name: str, *words: str) -> list[str]:
    p.run()
    p.bundle()
    p.lose(name)
    os.mkfifo(p.root / name)
    return list(words)


CHECKPOINT = "run/checkpoints/step-00000001.json"
GO_ON = "--epochs and --set | or start a new run"
ROWS: Rows = {
    "run.json edited": (
        lambda p: resumed(p, lambda r: r["configuration"]["training"].update(epochs=9), sign=False),
        f"run/run.json | was modified | undo the change | {GO_ON}",
    ),
    "run.json without its checksum": (
        lambda p: resumed(p, lambda r: r.pop("sha256"), sign=False),
        "run/run.json | was modified",
    ),
    "run.json of the future": (
        lambda p: resumed(p, lambda r: r.update(format=9)),
        "run/run.json | has format 9, this version reads 1 and 2 | use the version",
    ),
    "run.json with a format that is none": (
        lambda p: resumed(p, lambda r: r.update(format=True)),
        "run/run.json | has format True",
    ),
    "run.json deeply nested": (
        lambda p: written(p, "run/run.json", DEEP, "train", "--resume", "run"),
        "run/run.json | nested too deeply | start a new run",
    ),
    "run.json nested a little too deeply": (
        lambda p: written(p, "run/run.json", FAIRLY_DEEP, "train", "--resume", "run"),
        "run/run.json | nested too deeply | start a new run",
    ),
    "run.json of many bytes that are none": (
        lambda p: written(p, "run/run.json", "\0" * 100_000, "train", "--resume", "run"),
        "run/run.json | cannot be read as the record of a run | it holds zero bytes",
    ),
    "a finished run without results": (
        lambda p: resumed(p, lambda r: r.update(status="finished", results=None)),
        "run/run.json | finished, but has no results | start a new run",
    ),
    "a finished run of an earlier version, without results": (
        lambda p: resumed(p, lambda r: r.update(status="finished", results=None, format=1), sign=False),
        "run/run.json | finished, but has no results | start a new run",
    ),
    "run.json is a list": (
        lambda p: written(p, "run/run.json", "[]", "train", "--resume", "run"),
        "run/run.json | cannot be read as the record of a run: it has no format",
    ),
    "run.json is a pipe": (
        lambda p: piped(p, "run/run.json", "train", "--resume", "run"),
        "run/run.json | a pipe or a device",
    ),
    "metrics of another run": (
        lambda p: [p.run(), p.write("run/metrics.jsonl", '{"epoch": 1, "validation_top1": 1.0}\n')] and ["runs", "run"],
        "run/run.json | cannot be read as a run | metrics.jsonl is damaged, or does not match run.json",
    ),
    "metrics deeply nested": (
        lambda p: [p.run(lambda r: r.pop("metrics_sha256")), p.write("run/metrics.jsonl", DEEP)] and ["runs", "run"],
        "run/run.json | metrics.jsonl is damaged",
    ),
    "a checkpoint edited": (
        lambda p: checkpoint(p, lambda c: c["state"]["progress"].update(epoch=0, history=[]), sign=False),
        f"{CHECKPOINT} | was modified | delete step-00000001.*",
    ),
    "a checkpoint of an earlier version, edited": (
        lambda p: checkpoint(
            p,
            lambda c: [c.update(format=1, sha256=c.pop("tensors_sha256")), c["state"]["progress"].update(epoch=4)],
            sign=False,
        ),
        "run/checkpoints | cannot be read | epoch 4 after 1 rows of history",
    ),
    "a checkpoint of another step": (
        lambda p: checkpoint(p, lambda c: c.update(step=7), sign=True),
        f"{CHECKPOINT} | is not the checkpoint of step 1",
    ),
    "a checkpoint with words for numbers": (
        lambda p: checkpoint(p, lambda c: c["state"]["progress"].update(step="many"), sign=True),
        "run/checkpoints | cannot be read | start a new run",
    ),
    "a checkpoint without a state": (
        lambda p: checkpoint(p, lambda c: c.update(state=None), sign=True),
        f"{CHECKPOINT} | cannot be read as a checkpoint: it has no state",
    ),
    "a checkpoint deeply nested": (
        lambda p: written(p, CHECKPOINT, DEEP, "train", "--resume", "run"),
        f"{CHECKPOINT} | cannot be read as a checkpoint | nested too deeply | delete step-00000001.*",
    ),
    "experiment.json edited": (
        lambda p: experiment(p, lambda e: e["asked"].update(first=5), sign=False),
        "out/experiment.json | was modified | what can be raised: --runs, --trials | start a new",
    ),
    "experiment.json deeply nested": (
        lambda p: [p.write("out/experiment.json", DEEP)] and ["restarts", "--resume", "out"],
        "out/experiment.json | nested too deeply | start a new one",
    ),
    "experiment.json with words for numbers": (
        lambda p: experiment(p, lambda e: e["asked"].update(runs="three")),
        "out/experiment.json | has no asked.runs, or one of the wrong kind | start a new one",
    ),
    "experiment.json without what was asked": (
        lambda p: experiment(p, lambda e: e.pop("asked")),
        "out/experiment.json | it has no asked",
    ),
    "bundle.json deeply nested": (
        lambda p: written(p, "bundle/bundle.json", DEEP, *predict("bundle", "run")),
        "bundle/bundle.json | the description of a bundle | nested too deeply | copy the bundle again",
    ),
    "bundle.json with deep values": (
        lambda p: predict(p.bundle(lambda d: d.update(record=json.loads("[" * 90 + "]" * 90))), "x"),
        "bundle/bundle.json | nested too deeply",
    ),
    "bundle.json is a pipe": (
        lambda p: piped(p, "bundle/bundle.json", *predict("bundle", "run")),
        "bundle/bundle.json | a pipe or a device | copy the bundle again",
    ),
    "a bundle for huge images": (
        lambda p: predict(p.bundle(lambda d: d["preprocessing"].update(size=[10**12, 10**12])), p.images("x")),
        "bundle/bundle.json preprocessing size | 65536, not 1000000000000",
    ),
    "a bundle of very many channels": (
        lambda p: evaluate(p.bundle(lambda d: d["preprocessing"].update(channels=10**12)), p.folder()),
        "bundle/bundle.json preprocessing channels | 4096, not 1000000000000",
    ),
    "a bundle of classes that are numbers": (
        lambda p: predict(p.bundle(lambda d: d.update(classes=[1, 2])), p.images("x")),
        "bundle/bundle.json | names fewer than two classes",
    ),
    "huge images asked for": (
        lambda p: ["train", "--data", p.folder(), "--set", "data.size=(1000000000000,8)"],
        "data.size | 65536, not 1000000000000",
    ),
    "a label in an index changed": (
        lambda p: index(p, relabelled),
        "packed/index.json | was modified | fetch the index again, or pack the set again",
    ),
    "an index without its checksum": (
        lambda p: index(p, lambda i: i.pop("sha256")),
        "packed/index.json | was modified",
    ),
    "an index of the future": (
        lambda p: index(p, lambda i: i.update(format=9), sign=True),
        "packed/index.json | has format 9, this version reads 2, and indexes without one | use the version",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)


MEMBERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "metrics": (lambda run: (run / "metrics.jsonl").write_text("{"), "metrics.jsonl: is damaged"),
    "other metrics": (
        lambda run: (run / "metrics.jsonl").write_text((run / "metrics.jsonl").read_text().replace("0.", "1.", 1)),
        "metrics.jsonl: is damaged, or does not match run.json",
    ),
    "results": (
        lambda run: (run / "run.json").write_text((run / "run.json").read_text().replace("0.", "1.", 1)),
        "run.json: was modified",
    ),
    "bundle": (
        lambda run: (run / "bundle" / "weights.safetensors").write_bytes(b"x"),
        "weights.safetensors: is missing",
    ),
}


@pytest.mark.parametrize("verb", ["restarts", "tune"])
def test_damage_in_a_finished_run_of_an_experiment(
    verb: str, place: Place, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is told in a line, and nothing of what is whole is lost."""
    options: dict[str, Any] = {"runs": 2} if verb == "restarts" else {"trials": 2}
    model = {"model": "convnet_digits", "epochs": 1, "device": "cpu"}
    getattr(convworks, verb)(data=place.root / place.folder(), out=place.root / "whole", **options, **model)
    more = ["--runs", "3"] if verb == "restarts" else ["--trials", "3"]
    for name, (damage, words) in MEMBERS.items():
        if (verb, name) == ("tune", "bundle"):  # a search looks at no weights
            continue
        shutil.copytree("whole", name)
        damage(next(Path(name).glob("[st]*-1")))
        capsys.readouterr()
        assert run([verb, "--resume", name, *more]) == 2, name
        *_, line = capsys.readouterr().err.splitlines()
        check_line(line, [f"{name}/", words])
        assert json.loads(Path(name, "experiment.json").read_text())["status"] == "stopped"
        assert len(list(Path(name).glob("*-0/bundle/bundle.json"))) == 1
