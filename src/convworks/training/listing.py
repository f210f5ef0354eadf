"""Runs in and below folders: status, metrics, and differences of their configurations."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convworks import locks
from convworks.errors import InputError
from convworks.metrics.spec import headline, headline_value, spec, training_score
from convworks.training import folder as run_folder
from convworks.training.checkpoints.resume import differences
from convworks.training.checkpoints.state import read_state, steps

REMEDY = "leave it out, or move it away"
MOST_ENTRIES = 200_000  # files and folders that are searched


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run. `validation` is the value of `metric` on validation of its bundle, `test` that of `measure` on test.

    Until there is a bundle, `validation` is that of the epoch that would be saved if the run ended now.
    `status` is running, finished, stopped, or killed (recorded as running, but no process works on it). `when` is the
    time of its last record, in seconds since 1970; `seconds` is the training time.
    """

    name: str
    network: str
    source: str
    status: str
    epochs: int
    planned: int
    metric: str
    validation: float | None
    measure: str
    test: float | None
    seconds: float
    when: float
    configuration: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]

    @property
    def score(self) -> float:
        """The value on validation, signed so that higher is better; -inf for a run without one."""
        return (
            -math.inf
            if self.validation is None
            else self.validation
            if spec(self.metric).better == "higher"
            else -self.validation
        )


def find_runs(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield every run folder at or below these folders, each once.

    Raises InputError for a missing folder, and for one with more than MOST_ENTRIES entries, hardly what was meant.
    """
    seen: set[str] = set()
    for folder in folders:
        if not folder.is_dir():
            reason = "is a file" if folder.is_file() else "there is no such folder"
            raise InputError(folder, reason, "give the folder of a run, or one with runs below, for example runs")
        entries = 0
        for path, below, files in os.walk(folder):
            entries += len(below) + len(files)
            if entries > MOST_ENTRIES:
                raise InputError(folder, f"has more than {MOST_ENTRIES:,} files below", "give the folder with the runs")
            if run_folder.RECORD in files:
                below.clear()  # a run holds no runs
                if (identity := os.path.realpath(path)) not in seen:
                    seen.add(identity)
                    yield Path(path)
            below[:] = sorted(name for name in below if not name.startswith("."))


def read_run(folder: Path) -> Run:
    """Read a run. Raises InputError if it is damaged, or if its run.json is not a run record."""
    path = folder / run_folder.RECORD
    try:
        record = run_folder.read_values(folder)
        configuration, status = record["configuration"], str(record["status"])
        metric = str(configuration["training"].get("best", "top1"))  # older runs do not say
        history = run_folder.history(folder)
        results = record.get("results") or {}
        tested = results.get("test")
        return Run(
            name=str(folder),
            network=str(configuration["model"]["name"]),
            source=_short(str(configuration["data"]["source"])),
            status="killed" if status == "running" and locks.is_locked(folder) is False else status,
            epochs=int(history[-1]["epoch"]) if history else 0,
            planned=int(configuration["training"]["epochs"]),
            metric=metric,
            validation=_best(status, results, history, metric, configuration["training"]),
            measure="" if tested is None else headline(tested).name,
            test=None if tested is None else headline_value(tested),
            seconds=float(history[-1]["seconds"]) if history else 0.0,
            when=path.stat().st_mtime,
            configuration=configuration,
            history=history,
        )
    except InputError as error:
        why = error.reason if error.where == str(path) else f"{Path(error.where).name} {error.reason}"
        why = why.removeprefix(f"cannot be read as {run_folder.RUN.name}: ")
        raise InputError(path, f"cannot be read as a run ({why})", REMEDY) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        reason = f"cannot be read as a run ({type(error).__name__}: {error})"
        raise InputError(path, reason, REMEDY) from None


def _best(
    status: str,
    results: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    metric: str,
    training: Mapping[str, Any],
) -> float | None:
    """Return the value of a metric on validation of what is saved, or would be; None before the first epoch."""
    # Earlier versions computed the history in another way than what the report shows.
    reported = (results.get("validation") or {}).get(metric) if status == "finished" else None
    if reported is not None:
        return float(reported)
    saved = [row for row in history if status == "finished" and row["epoch"] == results.get("best_epoch")]
    values = [float(row[f"validation_{metric}"]) for row in saved or history]
    if training.get("kept") == "last":
        values = values[-1:]
    return (max if spec(metric).better == "higher" else min)(values, default=None)


def curve(folder: Path, run: Run) -> list[dict[str, Any]]:
    """Return the rows of a run as `curves` draws them, with the finer training points if a checkpoint has them."""
    rows = [dict(row) for row in run.history]
    checkpoints = folder / "checkpoints"
    try:
        fine = read_state(checkpoints, steps(checkpoints)[-1])[0]["progress"]["curve"]
        points = [
            {name: float(point[name]) for name in ("epoch", "train_loss", f"train_{training_score(point).name}")}
            for point in fine
        ]
    except (IndexError, InputError, OSError, ValueError, KeyError, TypeError, StopIteration):
        return rows
    if len(points) <= len(rows):
        return rows
    return [*points, *({k: v for k, v in row.items() if not k.startswith("train_")} for row in rows)]


def differing(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the configuration fields in which runs differ, with the value in each run (None if missing)."""
    first, *others = (run.configuration for run in runs)
    names = dict.fromkeys(name for other in others for name, _ in differences(first, other))
    return {name: [_at(run.configuration, name) for run in runs] for name in names}


def _at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _short(source: str) -> str:
    return Path(source).name or source
