"""Logging to TensorBoard and MLflow: the rows of metrics.jsonl, and the finer points of the training curve.

Both packages are extras, imported only for runs that use them (`--set tracking=tensorboard`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from convworks.console import say
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.errors import ConvworksError, InputError
from convworks.metrics.spec import headline, headline_value
from convworks.outputs import check_outside
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.config import RunConfig
from convworks.training.events import Events
from convworks.training.progress import Progress, Row
from convworks.training.setup import Setup
from convworks.training.tracking.mlflow import MLflow, tracking_folder, tracking_uri
from convworks.training.tracking.point import Point
from convworks.training.tracking.tensorboard import TensorBoard

INSTALL = "pip install 'convworks[tracking]'"


@runtime_checkable
class Sink(Protocol):
    """A destination of points; opened for a resumed run, it makes sure that no point is written twice."""

    def write(self, points: Sequence[Point]) -> None:
        """Write points and make them visible at once."""

    def close(self, status: str) -> None:
        """End the run with the status FINISHED, FAILED or KILLED."""

    def discard(self) -> None:
        """Remove a run that ended before it saved anything."""


class Tracker(Events):
    """Writes new rows of a run's history and curve to a sink; after a failure it retries later."""

    def __init__(self, name: str, sink: Sink, progress: Progress) -> None:
        self.name, self.sink = name, sink
        self.rows = self.points = 0
        self.failed = False
        self.origin = time.time() - progress.seconds  # as if a resumed run had trained without a break
        self._write(progress)

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Write when the curve has a new point."""
        if len(progress.curve) > self.points:
            self.catch_up(progress)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Write the epoch's row."""
        self.catch_up(progress)

    def catch_up(self, progress: Progress, more: Mapping[str, float] | None = None) -> None:
        """Write new points, and `more` values at the last step; on failure warn once and let training continue."""
        try:
            self._write(progress, more or {})
        except Exception as error:  # servers, clients and disks raise anything
            if not self.failed:
                say(f"{self.name}: {brief(error)}; training continues; missing values are written later")
            self.failed = True
        else:
            self.failed = False

    def finished(self, progress: Progress, results: Mapping[str, Any]) -> None:
        """Write the headline metrics of the final results."""
        metrics = {split: results.get(split) for split in ("validation", "test")}
        self.catch_up(
            progress,
            {f"results/{s}_{headline(each).name}": headline_value(each) for s, each in metrics.items() if each},
        )

    def _write(self, progress: Progress, more: Mapping[str, float] | None = None) -> None:
        new = [*named(progress.curve[self.points :], CURVE), *named(progress.history[self.rows :], ROW)]
        new += [(name, value, progress.step) for name, value in (more or {}).items()]
        recorded = [(0, 0.0), *((row["step"], row["seconds"]) for row in progress.history)]
        steps, seconds = zip(*recorded, (progress.step, progress.seconds), strict=True)
        self.sink.write([Point(*each, self.origin + float(np.interp(each[2], steps, seconds))) for each in new])
        self.rows, self.points = len(progress.history), len(progress.curve)


#: Prefixes of the metrics: columns of the history by their prefix, and all columns of the curve.
ROW = {"train_": "train/", "validation_": "validation/"}
CURVE = {"": "curve/"}


def named(rows: Iterable[Row], prefixes: Mapping[str, str]) -> Iterator[tuple[str, float, int]]:
    """Yield (name, value, step) for every value of the rows."""
    for row in rows:
        for column, value in row.items():
            if column == "step" or (column == "epoch" and prefixes is CURVE):
                continue
            before = next((prefix for prefix in prefixes if column.startswith(prefix)), None)
            name = column if before is None else prefixes[before] + column.removeprefix(before)
            yield name, float(value), int(row["step"])


def check_tracking(config: RunConfig, source: Source) -> None:
    """Raise InputError if a package is missing, or would write into the source, before any work is done."""
    for name in config.tracking:
        if importlib.util.find_spec(name) is None:
            raise InputError(f"tracking {name}", f"the package {name} is not installed", INSTALL)
    if "mlflow" in config.tracking and (folder := tracking_folder()) is not None:
        check_outside("tracking mlflow", folder, protect(source))


@contextlib.contextmanager
def tracked(config: RunConfig, path: Path, progress: Progress) -> Iterator[Sequence[Tracker]]:
    """Open the trackers of a configuration for the run in the folder `path`, and close them with its status.

    Raises InputError if one cannot be opened.
    """
    trackers: list[Tracker] = []
    status = "FINISHED"
    try:
        for name in config.tracking:
            trackers.append(_open(name, path, config, progress))
        yield tuple(trackers)
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt | RunInterruptedError) else "FAILED"
        raise
    finally:
        begun = any(path.glob("checkpoints/step-*.json"))
        for tracker in trackers:
            with contextlib.suppress(Exception):  # the error that ended the run matters more
                if begun:
                    tracker.catch_up(progress)
                    tracker.sink.close(status)
                else:
                    tracker.sink.discard()


def _open(name: str, path: Path, config: RunConfig, progress: Progress) -> Tracker:
    try:
        sink: Sink = TensorBoard(path) if name == "tensorboard" else MLflow(path, config)
        return Tracker(name, sink, progress)
    except ConvworksError:
        raise
    except Exception as error:  # clients raise anything for an unreachable server
        where = "tracking tensorboard" if name == "tensorboard" else f"tracking mlflow {tracking_uri()}"
        raise InputError(where, f"cannot be opened ({brief(error)})", "correct it, or leave tracking out") from None


def brief(error: Exception) -> str:
    """Return the beginning of an error message."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."
