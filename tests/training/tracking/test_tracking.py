"""TensorBoard and MLflow are told what metrics.jsonl says, once each, also over interruptions."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import convworks
from convworks.errors import InputError, RunError
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.setup import Setup
from convworks.training.tracking import tracking
from convworks.training.tracking.mlflow import MLflow
from convworks.training.tracking.tracking import named

BOTH = ("tracking=tensorboard,mlflow",)
Tracked = dict[str, dict[int, list[float]]]  # the values of each metric by step


class Stop(Events):
    """Ends a run in the middle of its second epoch, as Ctrl-C would after a checkpoint, or as a failure does."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        if progress.epoch == 1 and progress.batch == 2:
            raise self.error


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("tensorboard", "mlflow"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_FILE_STORE"):  # the run sets them; afterwards they go again
        monkeypatch.setenv(name, "true")


def train(**options: Any) -> dict[str, Any]:
    if "resume" not in options:
        options = {"out": "run", "device": "cpu", "deterministic": True, "epochs": 3, "overrides": BOTH, **options}
    return convworks.train(**options)


def from_tensorboard(run: str = "run") -> Tracked:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    tracked: Tracked = {}
    files = sorted(Path(run, "tensorboard").glob("events.out.tfevents.*"))
    for file in files:  # all that is in the files: EventAccumulator would hide what was doubled
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                tracked.setdefault(value.tag, {}).setdefault(event.step, []).append(value.simple_value)
    return tracked


def from_mlflow(run: str = "run") -> Tracked:
    client, identity = mlflow_run(run)
    tracked: Tracked = {}
    for name in client.get_run(identity).data.metrics:
        for each in client.get_metric_history(identity, name):
            tracked.setdefault(name, {}).setdefault(each.step, []).append(each.value)
    return tracked


def mlflow_run(run: str = "run") -> tuple[Any, str]:
    import mlflow

    record = json.loads(Path(run, "mlflow.json").read_text())
    return mlflow.MlflowClient(tracking_uri=record["tracking_uri"]), record["run_id"]


def rows(run: str = "run") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]


def check(tracked: Tracked, *, tolerance: float) -> None:
    """Check that every value of metrics.jsonl is there once, that nothing else is but the curve and the results."""
    history = rows()
    expected: Tracked = {}
    for row in history:
        for column, value in row.items():
            if column != "step":
                name = re.sub("^(train|validation)_", r"\1/", column)
                expected.setdefault(name, {})[row["step"]] = [value]
    assert {name for name in tracked if "curve/" not in name and "results/" not in name} == set(expected)
    for name, values in expected.items():
        assert tracked[name].keys() == values.keys(), name
        for step, value in values.items():
            assert tracked[name][step] == pytest.approx(value, rel=tolerance), name
    curve = tracked["curve/train_loss"]
    assert list(curve) == list(range(1, history[-1]["step"] + 1))
    assert all(len(values) == 1 for values in curve.values())
    assert tracked.keys() >= {"curve/learning_rate", "curve/train_top1", "results/validation_top1", "results/test_top1"}


def check_both() -> None:
    check(from_tensorboard(), tolerance=1e-6)  # float32
    check(from_mlflow(), tolerance=0)


def test_both_are_told_what_metrics_jsonl_says() -> None:
    results = train()
    check_both()
    assert from_mlflow()["results/test_top1"] == {rows()[-1]["step"]: [results["test"]["top1"]]}
    client, identity = mlflow_run()
    run = client.get_run(identity)
    assert run.info.status == "FINISHED"
    assert run.data.params["training.schedule.kind"] == "one_cycle"
    assert run.data.params["model.name"] == "convnet_digits"
    assert run.data.tags["training.epochs"] == "3"
    assert client.get_experiment(run.info.experiment_id).name == "convworks"
    assert Path("mlruns").is_dir()


def test_tensorboards_own_reader_finds_the_same() -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(overrides=["tracking=tensorboard"])
    reader = EventAccumulator("run/tensorboard")
    reader.Reload()
    events = reader.Scalars("validation/top1")
    assert [event.step for event in events] == [row["step"] for row in rows()]
    assert [event.value for event in events] == pytest.approx([row["validation_top1"] for row in rows()])
    passed = [event.wall_time - events[0].wall_time for event in events]
    assert passed == pytest.approx([row["seconds"] - rows()[0]["seconds"] for row in rows()], abs=0.5)


@pytest.mark.parametrize("error", [RunInterruptedError("x", "y"), KeyboardInterrupt(), RunError("x", "y")])
def test_a_run_that_goes_on_doubles_nothing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((RunInterruptedError, RunError)):
        train(events=[Stop(error)])
    client, identity = mlflow_run()
    assert client.get_run(identity).info.status == ("FAILED" if type(error) is RunError else "KILLED")
    assert len(from_tensorboard()["curve/train_loss"]) > len(rows()) * rows()[0]["step"]  # beyond the checkpoint
    Path("elsewhere").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "elsewhere")  # it stays where it began
    train(resume="run")
    check_both()
    assert mlflow_run()[1] == identity
    assert client.get_run(identity).info.status == "FINISHED"
    assert not list(Path("elsewhere").iterdir())


def test_a_finished_run_is_given_more_epochs() -> None:
    train(epochs=2)
    train(resume="run", epochs="+2")
    assert len(rows()) == 4
    check(from_tensorboard(), tolerance=1e-6)
    tracked = from_mlflow()
    check(
        {name: values for name, values in tracked.items() if "results" not in name}
        | {"results/validation_top1": {}, "results/test_top1": {}},
        tolerance=0,
    )
    client, identity = mlflow_run()
    assert client.get_run(identity).data.tags["training.epochs"] == "4"
    assert client.get_run(identity).info.status == "FINISHED"


def test_mlflow_goes_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "far away"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    train(epochs=1, overrides=["tracking=('mlflow',)"])
    client, identity = mlflow_run()
    assert (tmp_path / "far away").is_dir()
    assert not Path("mlruns").exists()
    assert client.get_experiment(client.get_run(identity).info.experiment_id).name == "mine"


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_is_said_before_anything_is_done(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(InputError, match=rf"{name}: the package {name} is not installed; pip install 'convworks\["):
        train(overrides=[f"tracking={name}"])
    assert not os.listdir()


def test_a_place_that_is_not_there_is_refused_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InputError, match=r"tracking mlflow http://127.0.0.1:9: cannot be opened .*; correct it"):
        train()
    assert not os.listdir()


def test_a_run_that_mlflow_does_not_have_any_more_is_said() -> None:
    with pytest.raises(RunInterruptedError):
        train(events=[Stop(KeyboardInterrupt())])
    client, identity = mlflow_run()
    client.delete_run(identity)
    with pytest.raises(InputError, match=r"mlflow.json: names run .*deleted.*; bring it back"):
        train(resume="run")
    Path("run/mlflow.json").write_text("{}")
    with pytest.raises(InputError, match=r"mlflow.json: cannot be read .*delete it"):
        train(resume="run")
    Path("run/mlflow.json").unlink()
    train(resume="run")
    check_both()


def test_a_run_that_ends_before_its_first_checkpoint_leaves_nothing() -> None:
    with pytest.raises(RunError):
        train(overrides=[*BOTH, "training.schedule={'kind': 'constant', 'rate': 1e30}"])
    assert os.listdir() == ["mlruns"]
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=Path("mlruns").absolute().as_uri())
    (experiment,) = [each for each in client.search_experiments() if each.name == "convworks"]
    assert not client.search_runs([experiment.experiment_id])


def test_a_tracker_that_fails_stops_no_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = MLflow.write, 0

    def failing(self: Any, points: Any) -> None:
        nonlocal calls
        calls += 1
        if 2 < calls < 8:
            raise OSError("the server is away")
        write(self, points)

    monkeypatch.setattr(MLflow, "write", failing)
    train()
    messages = [line for line in capsys.readouterr().err.splitlines() if "mlflow" in line]
    assert messages == ["mlflow: the server is away; training continues; missing values are written later"]
    check_both()


def test_without_tracking_neither_is_imported() -> None:
    import subprocess
    import sys

    code = (
        "import sys, convworks; convworks.train(epochs=1, out='plain', device='cpu'); "
        "print([n for n in ('tensorboard', 'mlflow', 'torch.utils.tensorboard') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names() -> None:
    row = {"epoch": 1, "step": 5, "train_loss": 0.5, "validation_top1": 0.25}
    assert list(named([row], tracking.ROW)) == [("epoch", 1.0, 5), ("train/loss", 0.5, 5), ("validation/top1", 0.25, 5)]
    assert next(iter(named([row], tracking.CURVE))) == ("curve/train_loss", 0.5, 5)
