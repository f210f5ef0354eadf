"""Logging a run to MLflow: to ./mlruns, or to MLFLOW_TRACKING_URI."""

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
RECORD = "mlflow.json"  # in the run folder: the tracking URI and the ID of the run in MLflow
FORMAT = 1
MLFLOW = Kind(
    name="the note of a run in MLflow",
    formats=(0, FORMAT),
    unsigned=(0,),
    fields={"tracking_uri": str, "run_id": str},
    damaged="delete it to track the run anew",
)
EXPERIMENT = "convworks"
MOST_POINTS, MOST_PARAMETERS, LONGEST = 1000, 100, 500  # limits of one request


class MLflow:
    """A run in MLflow, identified by RUN/mlflow.json; its parameters are the configuration."""

    def __init__(self, run: Path, config: RunConfig) -> None:
        # No telemetry; and allow folders as a store, which MLflow has deprecated in favour of databases.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow import MlflowClient

        self.record = run / RECORD
        record = read_signed(self.record, MLFLOW) if self.record.exists() else {}
        self.client = MlflowClient(tracking_uri=record.get("tracking_uri") or tracking_uri())
        self.seen: set[tuple[str, int]] = set()
        values = dict(_flat(to_json(config)))
        if record:
            self.identity = record["run_id"]
            self._resume()
        else:
            self.identity = self._start(run, {k: v for k, v in values.items() if k not in CHANGEABLE})
            write_signed(self.record, {"format": FORMAT, "tracking_uri": tracking_uri(), "run_id": self.identity})
        for name in CHANGEABLE:
            if name in values:
                self.client.set_tag(self.identity, name, values[name])

    def write(self, points: Sequence[Point]) -> None:
        """Write the points that MLflow does not have yet."""
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

    def _resume(self) -> None:
        """Read which points the run has, and set its status to running."""
        from mlflow.exceptions import MlflowException

        try:
            run = self.client.get_run(self.identity)
            if run.info.lifecycle_stage != "active":
                raise MlflowException("it was deleted")
        except MlflowException as error:
            reason = f"names run {self.identity}, which cannot be read ({' '.join(str(error).split())[:100]})"
            raise InputError(self.record, reason, "bring it back, or delete this file to track a new one") from None
        for name in run.data.metrics:
            self.seen |= {(name, each.step) for each in self.client.get_metric_history(self.identity, name)}
        self.client.update_run(self.identity, status="RUNNING")


def tracking_uri() -> str:
    """Return MLflow's tracking URI; absolute for a folder, so that it does not depend on the working directory."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "mlruns"
    if "://" in uri or uri.startswith("databricks"):
        return uri
    return Path(uri.removeprefix("file:")).absolute().as_uri()


def tracking_folder() -> Path | None:
    """Return the folder that MLflow writes to; None for a server or a database."""
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
