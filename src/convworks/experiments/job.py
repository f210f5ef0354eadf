"""One run of an experiment: its description, its execution or resumption, and its outcome."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convworks import locks
from convworks.config import override
from convworks.errors import ConvworksError, InputError, RunError, on_the_command_line
from convworks.tasks.again import varied
from convworks.training import folder as run_folder
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.config import RunConfig
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.run import train
from convworks.training.setup import Setup

#: Called with a job's name, the fraction of it that is done, and after an epoch its row; returns False to prune it.
Report = Callable[[str, float, Mapping[str, Any] | None], bool]

LOGS = "logs"
INTERVAL = 0.5  # seconds between two reports within an epoch
PATIENCE = 30.0  # seconds for an earlier process of a run to save and end


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run in the folder `name` of an experiment, and the command that repeats it alone."""

    name: str
    config: RunConfig
    command: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a job: `status` is finished, pruned, failed or interrupted.

    `results` are those of the run; `error` holds where, reason, remedy and exit status, or the traceback of a bug in
    convworks.
    """

    status: str
    results: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)

    def exception(self, name: str) -> Exception:
        """Return the error of a failed job, prefixed with its name."""
        if "traceback" in self.error:
            return RuntimeError(f"{name}: {self.error['traceback']}")
        kind = InputError if self.error["exit_status"] == InputError.exit_status else RunError
        return kind(f"{name}: {self.error['where']}", self.error["reason"], self.error["remedy"])


class PrunedError(RunError):
    """The run was stopped because others were better after as many epochs."""


class Watcher(Events):
    """Reports the progress of a run, and prunes it if the reply says so."""

    def __init__(self, name: str, report: Report) -> None:
        self.name, self.report = name, report
        self.last = time.perf_counter()

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Report the fraction that is done, every INTERVAL seconds."""
        if time.perf_counter() - self.last >= INTERVAL:
            self.last = time.perf_counter()
            self.report(self.name, progress.step / setup.steps, None)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Report the row of the epoch; raise PrunedError if the run is to be pruned."""
        if not self.report(self.name, progress.step / setup.steps, progress.history[-1]):
            raise PrunedError(self.name, f"pruned after epoch {progress.epoch}: other trials were better by then")


def make_job(name: str, config: RunConfig, assignments: Sequence[str], command: str) -> Job:
    """Return the job of a configuration with changes as in `--set`, and the equivalent command."""
    return Job(name=name, config=override(config, assignments), command=varied(command, config, assignments))


def perform(job: Job, folder: Path, report: Report) -> Outcome:
    """Run a job in its subfolder of `folder`, or resume it; a finished run is kept.

    Its standard error goes to logs/NAME.txt, with options as its command has them. Unexpected exceptions propagate.
    """
    run = folder / job.name
    (folder / LOGS).mkdir(exist_ok=True)
    path = folder / LOGS / f"{job.name}.txt"
    log = path.open("a", encoding="utf-8", errors="backslashreplace")
    with log, contextlib.redirect_stderr(log), on_the_command_line():
        try:
            return Outcome(status="finished", results=_results(job, run, Watcher(job.name, report)))
        except PrunedError:
            return Outcome(status="pruned")
        except RunInterruptedError:
            return Outcome(status="interrupted")
        except ConvworksError as error:
            details = {"where": error.where, "reason": error.reason, "remedy": error.remedy}
            return Outcome(status="failed", error={**details, "exit_status": error.exit_status})


def _results(job: Job, run: Path, watcher: Watcher) -> dict[str, Any]:
    if run.is_dir():
        _wait_until_free(run)
        run_folder.sweep(run)
    if not (run / run_folder.RECORD).is_file():
        return train(job.config, command=job.command, out=run, events=(watcher,))
    config, record = run_folder.read_record(run)
    if record["status"] == "finished":
        results: dict[str, Any] = record["results"]
        return results
    # The data source of the experiment replaces that in the run's record: the images may have been moved.
    config = config.model_copy(update={"data": config.data.model_copy(update={"source": job.config.data.source})})
    return train(config, command=job.command, resume=run, events=(watcher,))


def _wait_until_free(run: Path) -> None:
    """Wait for a process whose experiment was killed: it saves its run and exits by itself."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline and locks.is_locked(run):
        time.sleep(0.1)
