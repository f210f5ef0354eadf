"""Which runs are found below a folder, and what is read from each."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from convworks.errors import InputError
from convworks.training.checkpoints.state import write_state
from convworks.training.listing import curve, differing, find_runs, read_run

CONFIGURATION = {
    "recipe": "digits/default",
    "data": {"source": "/data/flowers"},
    "model": {"name": "resnet20", "table": {}},
    "training": {"epochs": 3, "best": "top1", "schedule": {"kind": "cosine", "rate": 0.1}},
}


def make(folder: Path, *, top1: list[float], **record: Any) -> Path:
    """Write what a run leaves: its record and its metrics."""
    folder.mkdir(parents=True)
    whole = {"format": 1, "status": "finished", "configuration": CONFIGURATION, "results": {"test": {"top1": 0.75}}}
    (folder / "run.json").write_text(json.dumps({**whole, **record}))
    rows = [
        {"epoch": n, "step": 10 * n, "seconds": 1.5 * n, "train_loss": 1 / n, "train_top1": v, "validation_top1": v}
        | {"validation_loss": 2 - v}
        for n, v in enumerate(top1, start=1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def changed(**values: Any) -> dict[str, Any]:
    return {**CONFIGURATION, "training": {**CONFIGURATION["training"], **values}}  # type: ignore[dict-item]


def test_what_is_read_of_a_run(tmp_path: Path) -> None:
    run = read_run(make(tmp_path / "a", top1=[0.25, 0.75, 0.5]))
    assert (run.name, run.network, run.source, run.status) == (str(tmp_path / "a"), "resnet20", "flowers", "finished")
    assert (run.epochs, run.planned, run.validation, run.test, run.seconds) == (3, 3, 0.75, 0.75, 4.5)
    assert run.when == (tmp_path / "a" / "run.json").stat().st_mtime


def test_a_loss_is_best_where_it_is_lowest(tmp_path: Path) -> None:
    run = read_run(make(tmp_path / "a", top1=[0.25, 0.75, 0.5], configuration=changed(best="loss")))
    assert (run.metric, run.validation, run.score) == ("loss", 1.25, -1.25)


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    run = read_run(make(tmp_path / "a", top1=[], status="stopped", results=None))
    assert (run.epochs, run.validation, run.test, run.seconds, run.status) == (0, None, None, 0.0, "stopped")
    assert run.score == -float("inf")
    (tmp_path / "a" / "metrics.jsonl").unlink()
    assert read_run(tmp_path / "a").epochs == 0


def test_a_run_that_no_process_works_on_was_killed(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", top1=[0.5], status="running", results=None)
    assert read_run(folder).status == "killed"
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert read_run(folder).status == "running"
    finally:
        os.close(descriptor)
    assert read_run(folder).status == "killed"


def test_an_older_run_does_not_say_its_metric(tmp_path: Path) -> None:
    training = {name: value for name, value in changed()["training"].items() if name != "best"}
    run = read_run(make(tmp_path / "a", top1=[0.5], configuration={**CONFIGURATION, "training": training}))
    assert (run.metric, run.validation) == ("top1", 0.5)


def test_runs_are_found_below_and_in_experiments_but_each_once(tmp_path: Path) -> None:
    for name in ("a", "tune/trial-0", "tune/trial-1", "deep/er/b", ".hidden/c", "a/bundle/inner"):
        make(tmp_path / name, top1=[0.5])
    (tmp_path / "link").symlink_to("a")
    runs = list(find_runs([tmp_path, tmp_path / "a", tmp_path / "link"]))
    assert [str(path.relative_to(tmp_path)) for path in runs] == ["a", "deep/er/b", "tune/trial-0", "tune/trial-1"]
    assert list(find_runs([tmp_path / "a"])) == [tmp_path / "a"]


def test_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, words in (("gone", "there is no such folder"), ("file", "is a file")):
        with pytest.raises(InputError, match=words):
            list(find_runs([tmp_path / name]))


def test_too_large_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convworks.training.listing.MOST_ENTRIES", 5)
    make(tmp_path / "a", top1=[0.5])
    assert len(list(find_runs([tmp_path]))) == 1
    for index in range(5):
        (tmp_path / str(index)).write_text("")
    with pytest.raises(InputError, match="more than 5 files below"):
        list(find_runs([tmp_path]))


@pytest.mark.parametrize(
    "record",
    [
        "{",
        "[]",
        "7",
        '{"experiment": "of another program"}',
        '{"status": "finished", "configuration": {"training": {}}}',
        '{"status": "finished", "configuration": {"training": {"best": "beauty"}}}',
        '{"status": "finished", "configuration": []}',
        b"\xff\xfe\x00",
    ],
)
def test_damaged_and_foreign_records_are_refused_in_a_line(tmp_path: Path, record: str | bytes) -> None:
    folder = make(tmp_path / "a", top1=[0.5])
    (folder / "run.json").write_bytes(record if isinstance(record, bytes) else record.encode())
    with pytest.raises(InputError, match=r"run.json: cannot be read as a run \(.*; leave it out"):
        read_run(folder)


@pytest.mark.parametrize("rows", ["{", '{"epoch": 1}\n', "[1]\n", '{"validation_top1": "x"}\n'])
def test_damaged_metrics_are_refused(tmp_path: Path, rows: str) -> None:
    folder = make(tmp_path / "a", top1=[0.5])
    (folder / "metrics.jsonl").write_text(rows)
    with pytest.raises(InputError, match="cannot be read as a run"):
        read_run(folder)


def test_in_which_fields_runs_differ(tmp_path: Path) -> None:
    adam = changed(schedule={"kind": "one_cycle", "rate": 0.1, "rise": 0.3}, epochs=5)
    runs = [
        read_run(make(tmp_path / "a", top1=[0.5])),
        read_run(make(tmp_path / "b", top1=[0.5], configuration=adam)),
        read_run(make(tmp_path / "c", top1=[0.5], configuration={**CONFIGURATION, "seed": 3})),
    ]
    assert differing(runs) == {
        "training.epochs": [3, 5, 3],
        "training.schedule.kind": ["cosine", "one_cycle", "cosine"],
        "training.schedule.rise": [None, 0.3, None],
        "seed": [None, None, 3],
    }
    assert differing(runs[:1] * 2) == {}


def test_training_comes_from_the_finer_points_of_a_checkpoint(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", top1=[0.25, 0.5])
    run = read_run(folder)
    assert curve(folder, run) == list(run.history)
    (folder / "checkpoints").mkdir()
    points = [{"epoch": n / 4, "step": n, "learning_rate": 0.1, "train_loss": 1.0, "train_top1": 0.5} for n in range(8)]
    saved = folder / "checkpoints" / "step-00000020.json"
    write_state(saved.parent, 20, {"progress": {"curve": points}}, "")
    rows = curve(folder, run)
    assert [row["epoch"] for row in rows if "train_loss" in row] == [n / 4 for n in range(8)]
    assert [row["epoch"] for row in rows if "validation_top1" in row] == [1, 2]
    saved.write_text("{}")
    assert curve(folder, run) == list(run.history)
