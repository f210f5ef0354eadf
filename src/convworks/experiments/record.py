"""The folder of an experiment: its record, its creation, and what happens when it is stopped."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from convworks.config import build, to_json
from convworks.data.sources.open import located, open_source
from convworks.errors import InputError
from convworks.experiments.command import RECORD, check_new_experiment, resume_command
from convworks.experiments.job import LOGS
from convworks.signed import Kind, read_signed, write_signed
from convworks.training import folder as run_folder
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.checkpoints.resume import check_same
from convworks.training.config import RunConfig
from convworks.training.run_data import divided, fingerprint

FORMAT = 2
EXPERIMENT = Kind(
    name="the record of an experiment",
    formats=(1, FORMAT),
    unsigned=(1,),
    fields={"kind": str, "status": str, "asked": dict, "train": str, "command": str, "configuration": dict},
    damaged="start a new one",
    changed="undo the change (what can be raised: --runs, --trials), or start a new one",
)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The kind of an experiment, its options, and the configuration of the run that it varies.

    `train` is the command of that run alone, `command` the one that started the experiment.
    """

    kind: str
    options: Mapping[str, Any]
    config: RunConfig
    train: str
    command: str


def absolute(config: RunConfig) -> RunConfig:
    """Return the configuration with an absolute data source, independent of the working directory."""
    return moved(config, config.data.source)


def moved(config: RunConfig, data: str | Path) -> RunConfig:
    """Return the configuration with another data source."""
    return config.model_copy(update={"data": config.data.model_copy(update={"source": located(str(data))})})


def write(folder: Path, experiment: Experiment, status: str, **more: Any) -> None:
    """Write experiment.json: kind, options, status, and further values."""
    values = {
        "format": FORMAT,
        "kind": experiment.kind,
        "status": status,
        "asked": dict(experiment.options),
        "command": experiment.command,
        "train": experiment.train,
        "configuration": to_json(experiment.config),
    }
    write_signed(folder / RECORD, {**values, **more})


def read(
    folder: Path, kind: str, option_types: Mapping[str, Any], data: str | Path | None = None
) -> tuple[Experiment, dict[str, Any]]:
    """Return an experiment of this kind and its complete record; `option_types` are the types of its options.

    `data` is the new source, if its images have been moved. Raises InputError if there is no experiment, if its record
    is damaged or was modified, and for other images than those of the runs that have begun.
    """
    path = folder / RECORD
    where = f"--resume {folder}"
    if not path.exists():
        raise InputError(where, f"is not an experiment: it holds no {RECORD}", f"give the folder that {kind} made")
    record = read_signed(path, EXPERIMENT)
    if record["kind"] != kind:
        raise InputError(where, f"holds {record['kind']}, not {kind}", resume_command(record["kind"], folder))
    for name, expected_type in option_types.items():
        if not isinstance(record["asked"].get(name), expected_type):
            raise InputError(path, f"has no asked.{name}, or one of the wrong kind", EXPERIMENT.damaged)
    config = build(RunConfig, record["configuration"], where=str(path))
    options, train, command = record["asked"], record["train"], record["command"]
    if data is not None:
        config = moved(config, data)
        _check_moved(folder, data)
    return Experiment(kind=kind, options=options, config=config, train=train, command=command), record


def _check_moved(folder: Path, data: str | Path) -> None:
    """Raise InputError for images whose names, labels or sizes differ from those of a run that has begun."""
    source = open_source(located(str(data)))
    for run in begun(folder):
        config, record = run_folder.read_record(run)
        if "fingerprint" in record:
            config = moved(config, data)
            current = fingerprint(divided(config, source).usable.source, {})
            check_same(config.data.source, record["fingerprint"], current)


def extended(
    experiment: Experiment, record: Mapping[str, Any], option: str, count: int | None, folder: Path
) -> Experiment:
    """Return an experiment extended to `count` runs; a finished one needs more runs than it has."""
    before = experiment.options[option]
    if count is not None and count < before:
        raise InputError(f"--{option}", f"{count} are fewer than the {before} already planned", "give more")
    if record["status"] == "finished" and (count is None or count == before):
        more = f"look at {folder / 'report.html'}"
        if option != "folds":
            more = f"give more: --{option} N, or {more}"
        raise InputError(f"--resume {folder}", "the experiment is finished", more)
    return experiment if count is None else replace(experiment, options={**experiment.options, option: count})


@contextlib.contextmanager
def opened(experiment: Experiment, out: Path | None, resume: Path | None) -> Iterator[Path]:
    """Create and lock the folder of an experiment, or take the one to resume; set its status to running.

    If the experiment ends before any run has begun, a new folder is removed again; otherwise its status becomes
    stopped, and an interrupt becomes an error that says how to resume.
    """
    check_new_experiment(out, experiment.kind)
    name = f"{run_folder.default_name(experiment.config)}-{experiment.kind}"
    with _terminable(), run_folder.run_folder_locked(out, name, resume) as folder:
        run_folder.sweep(folder, below=False)
        try:
            write(folder, experiment, "running")
            yield folder
        except BaseException as error:
            if not resume and not begun(folder):
                _undo(folder)
                raise
            reason = str(error) or type(error).__name__
            with contextlib.suppress(OSError):  # the disk may be full; the runs matter more
                write(folder, experiment, "stopped", reason=reason)
            if isinstance(error, KeyboardInterrupt | RunInterruptedError):
                done = len(finished(folder))
                finished_runs = f"{done} {'run is' if done == 1 else 'runs are'} finished, unfinished runs are saved"
                remedy = f"resume with: {resume_command(experiment.kind, folder)}"
                raise RunInterruptedError("interrupted", finished_runs, remedy) from None
            raise


def begun(folder: Path) -> list[Path]:
    """List the runs of an experiment that have begun."""
    return sorted(path.parent for path in folder.glob(f"*/{run_folder.RECORD}"))


def finished(folder: Path) -> list[Path]:
    """List the finished runs of an experiment; unreadable ones do not count."""
    return [run for run in begun(folder) if _is_finished(run)]


def _is_finished(run: Path) -> bool:
    try:
        return bool(run_folder.read_values(run)["status"] == "finished")
    except InputError:
        return False


def _undo(folder: Path) -> None:
    """Remove the files of an experiment, and the folders of runs that were stopped while they were created."""
    for run in folder.iterdir():
        if run.is_dir():
            run_folder.undo(run, (run,))
    shutil.rmtree(folder / LOGS, ignore_errors=True)
    for path in (*folder.glob("study.db*"), folder / RECORD):  # the record last: until then it can be resumed
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, between runs as well as within.

    SIGINT is handled too: a process started in the background ignores it by default, which a run does not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
