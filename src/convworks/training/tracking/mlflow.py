"""A run in MLflow: in ./mlruns, or where MLFLOW_TRACKING_URI says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from convworks.config import to_json
from convworks.errors import InputError
from convworks.signed import Kind, read_signed, write_signed
from convworks.training.checkpoints.resume import CHANGEABLE
from convworks.training.config import RunConfig
from convworks.training.tracking.point import Point

T = TypeVar("T")
RECORD = "mlflow.json"  # in the run folder: which run of which MLflow it is
FORMAT = 1
MLFLOW = Kind(
    name="the note of a run in MLflow",
    formats=(0, FORMAT),
    unsigned=(0,),
    fields={"tracking_uri": str, "run_id": str},
    damaged="delete it to track the run anew",
)
EXPERIMENT = "convworks"
MOST_POINTS, MOST_PARAMETERS, LONGEST = 1000, 100, 500  # what one request may hold


class MLflow:
    """A run in MLflow, found again by RUN/mlflow.json; the configuration is its parameters."""

    def __init__(self, run: Path, config: RunConfig) -> None:
        # MLflow shall not report to its makers, nor refuse folders, which it would like databases to replace.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow import MlflowClient

        self.record = run / RECORD
        known = read_signed(self.record, MLFLOW) if self.record.exists() else {}
        self.client = MlflowClient(tracking_uri=known.get("tracking_uri") or tracking_uri())
        self.seen: set[tuple[str, int]] = set()
        values = dict(_flat(to_json(config)))
        if known:
            self.identity = known["run_id"]
            self._go_on()
        else:
            self.identity = self._start(run, {k: v for k, v in values.items() if k not in CHANGEABLE})
            write_signed(self.record, {"format": FORMAT, "tracking_uri": tracking_uri(), "run_id": self.identity})
        for name in CHANGEABLE:
            if name in values:
                self.client.set_tag(self.identity, name, values[name])

    def write(self, points: Sequence[Point]) -> None:
        """Write points but those that are there already."""
        from mlflow.entities import Metric

        new = [point for point in points if (point.name, point.step) not in self.seen]
        for part in _parts(new, MOST_POINTS):
            metrics = [Metric(name, value, int(when * 1000), step) for name, value, step, when in part]
            self.client.log_batch(self.identity, metrics=metrics)
            self.seen.update((point.name, point.step) for point in part)

    def close(self, status: str) -> None:
        """End the run with a status."""
        self.client.set_terminated(self.identity, status)

    def discard(self) -> None:
        """Move the run to MLflow's trash."""
        self.client.delete_run(self.identity)
        self.record.unlink(missing_ok=True)

    def _start(self, run: Path, parameters: Mapping[str, str]) -> str:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = self.client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self.client.create_experiment(name)
        tags = {"convworks.run": str(run.absolute())}
        identity = str(self.client.create_run(number, run_name=run.name, tags=tags).info.run_id)
        for part in _parts(list(parameters.items()), MOST_PARAMETERS):
            self.client.log_batch(identity, params=[Param(key, value) for key, value in part])
        return identity

    def _go_on(self) -> None:
        """Note what the run has, and let it run again."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_run(self.identity)
            if found.info.lifecycle_stage != "active":
                raise MlflowException("it was deleted")
        except MlflowException as error:
            reason = f"names run {self.identity}, which cannot be read ({' '.join(str(error).split())[:100]})"
            raise InputError(self.record, reason, "bring it back, or delete this file to track a new one") from None
        for name in found.data.metrics:
            self.seen |= {(name, each.step) for each in self.client.get_metric_history(self.identity, name)}
        self.client.update_run(self.identity, status="RUNNING")


def tracking_uri() -> str:
    """Return where MLflow keeps its runs; a folder as an absolute URI, the same from wherever the run goes on."""
    given = os.environ.get("MLFLOW_TRACKING_URI") or "mlruns"
    if "://" in given or given.startswith("databricks"):
        return given
    return Path(given.removeprefix("file:")).absolute().as_uri()


def tracking_folder() -> Path | None:
    """Return the folder that MLflow writes into; None where it is a server or a database."""
    uri = tracking_uri()
    return Path(url2pathname(urlsplit(uri).path)) if uri.startswith("file:") else None


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value)[:LONGEST]


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
