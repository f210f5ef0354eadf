"""One run of an experiment: what it is, how it is carried out or gone on with, and what became of it."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convworks import locks
from convworks.config import override
from convworks.errors import ConvworksError, InputError, RunError
from convworks.training import folder
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.config import RunConfig
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.run import train
from convworks.training.setup import Setup

#: Told a job's name, the share of it that is done, and after an epoch its row; False: stop this run, it is hopeless.
Tell = Callable[[str, float, Mapping[str, Any] | None], bool]

LOGS = "logs"
INTERVAL = 0.5  # seconds between two reports within an epoch
PATIENCE = 30.0  # seconds for the process that worked on a run before to save and end


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to be made in the folder `name` of an experiment, and the command that would repeat it alone."""

    name: str
    config: RunConfig
    command: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job: `status` is finished, pruned, failed or interrupted.

    `results` are those of the run; `error` holds where, reason, remedy and exit status, or for a defect of convworks
    its traceback.
    """

    status: str
    results: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)

    def exception(self, name: str) -> Exception:
        """Return the error of a failed job, with its name in front."""
        if "traceback" in self.error:
            return RuntimeError(f"{name}: {self.error['traceback']}")
        kind = InputError if self.error["exit_status"] == InputError.exit_status else RunError
        return kind(f"{name}: {self.error['where']}", self.error["reason"], self.error["remedy"])


class PrunedError(RunError):
    """The run was stopped because others did better at its age."""


class Watcher(Events):
    """Passes on how a run gets on, and stops it when it is told to."""

    def __init__(self, name: str, tell: Tell) -> None:
        self.name, self.tell = name, tell
        self.last = time.perf_counter()

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Tell the share that is done, now and then."""
        if time.perf_counter() - self.last >= INTERVAL:
            self.last = time.perf_counter()
            self.tell(self.name, progress.step / setup.steps, None)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Tell the row of the epoch; raise PrunedError where the answer says so."""
        if not self.tell(self.name, progress.step / setup.steps, progress.history[-1]):
            raise PrunedError(self.name, f"pruned after epoch {progress.epoch}: others were better at its age")


def make_job(name: str, config: RunConfig, assignments: Sequence[str], command: str) -> Job:
    """Return the job that changes a configuration, as `--set` does, and the command that does the same."""
    words = [word for assignment in assignments for word in ("--set", assignment)]
    return Job(name=name, config=override(config, assignments), command=f"{command} {shlex.join(words)}")


def perform(job: Job, place: Path, tell: Tell) -> Outcome:
    """Make the run below `place`; one that was begun goes on from its checkpoint, a finished one is kept.

    What it would say on standard error goes to logs/NAME.txt. Unexpected exceptions pass through.
    """
    run = place / job.name
    (place / LOGS).mkdir(exist_ok=True)
    path = place / LOGS / f"{job.name}.txt"
    with path.open("a", encoding="utf-8", errors="backslashreplace") as log, contextlib.redirect_stderr(log):
        try:
            return Outcome(status="finished", results=_results(job, run, Watcher(job.name, tell)))
        except PrunedError:
            return Outcome(status="pruned")
        except RunInterruptedError:
            return Outcome(status="interrupted")
        except ConvworksError as error:
            known = {"where": error.where, "reason": error.reason, "remedy": error.remedy}
            return Outcome(status="failed", error={**known, "exit_status": error.exit_status})


def _results(job: Job, run: Path, watcher: Watcher) -> dict[str, Any]:
    if run.is_dir():
        _wait_until_free(run)
        folder.sweep(run)
    if not (run / folder.RECORD).is_file():
        return train(job.config, command=job.command, out=run, events=(watcher,))
    config, record = folder.read_record(run)
    if record["status"] == "finished":
        found: dict[str, Any] = record["results"]
        return found
    # Whatever the run's own record says, its data are where those of the experiment are: they may have been moved.
    config = config.model_copy(update={"data": config.data.model_copy(update={"source": job.config.data.source})})
    return train(config, command=job.command, resume=run, events=(watcher,))


def _wait_until_free(run: Path) -> None:
    """Wait for a process whose experiment was killed: it saves its run and ends by itself."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline and locks.is_locked(run):
        time.sleep(0.1)
