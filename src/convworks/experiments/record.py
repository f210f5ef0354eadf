"""The folder of an experiment: its record, how it gets its place, and what happens when it is stopped."""

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
from convworks.experiments.command import RECORD, check_place, resume_command
from convworks.experiments.job import LOGS
from convworks.signed import Kind, read_signed, write_signed
from convworks.training import folder
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
    damaged="start it anew",
    changed="undo the change (--runs and --trials ask for more of them), or start it anew",
)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is asked: the kind of experiment with its options, and the run that it varies.

    `train` is the command of that run alone, `command` the one that began the experiment.
    """

    kind: str
    asked: Mapping[str, Any]
    config: RunConfig
    train: str
    command: str


def absolute(config: RunConfig) -> RunConfig:
    """Say where the data are, whatever the working directory of whoever goes on."""
    return moved(config, config.data.source)


def moved(config: RunConfig, data: str | Path) -> RunConfig:
    """Return the configuration of a run whose data are now here."""
    return config.model_copy(update={"data": config.data.model_copy(update={"source": located(str(data))})})


def write(place: Path, experiment: Experiment, status: str, **more: Any) -> None:
    """Write experiment.json: what is asked, where it stands, and what else is known."""
    values = {
        "format": FORMAT,
        "kind": experiment.kind,
        "status": status,
        "asked": dict(experiment.asked),
        "command": experiment.command,
        "train": experiment.train,
        "configuration": to_json(experiment.config),
    }
    write_signed(place / RECORD, {**values, **more})


def read(
    place: Path, kind: str, asked: Mapping[str, Any], data: str | Path | None = None
) -> tuple[Experiment, dict[str, Any]]:
    """Return an experiment of this kind and its whole record; `asked` are the types of what this kind asks.

    `data` is where its images have been moved. Raises InputError where there is none, where it is damaged or was
    changed, and for other images than those of the runs that have begun.
    """
    path = place / RECORD
    where = f"--resume {place}"
    if not path.exists():
        raise InputError(where, f"is no experiment: it holds no {RECORD}", f"give the folder that {kind} made")
    record = read_signed(path, EXPERIMENT)
    if record["kind"] != kind:
        raise InputError(where, f"holds {record['kind']}, not {kind}", resume_command(record["kind"], place))
    for name, wanted in asked.items():
        if not isinstance(record["asked"].get(name), wanted):
            raise InputError(path, f"has no asked.{name}, or one of the wrong kind", EXPERIMENT.damaged)
    config = build(RunConfig, record["configuration"], where=str(path))
    found = {name: record[name] for name in ("kind", "asked", "train", "command")}
    if data is not None:
        config = moved(config, data)
        _check_moved(place, data)
    return Experiment(config=config, **found), record


def _check_moved(place: Path, data: str | Path) -> None:
    """Refuse images of other names, labels or sizes than those of any run that has begun."""
    source = open_source(located(str(data)))
    for run in begun(place):
        config, record = folder.read_record(run)
        if "fingerprint" in record:
            config = moved(config, data)
            known = fingerprint(divided(config, source).usable.source, {})
            check_same(config.data.source, record["fingerprint"], known)


def extended(
    experiment: Experiment, record: Mapping[str, Any], option: str, count: int | None, place: Path
) -> Experiment:
    """Return an experiment that goes on to `count` runs; one that is finished must be given more than it has."""
    before = experiment.asked[option]
    if count is not None and count < before:
        raise InputError(f"--{option}", f"{count} are fewer than the {before} that were asked for", "give more")
    if record["status"] == "finished" and (count is None or count == before):
        more = f"look at {place / 'report.html'}"
        if option != "folds":
            more = f"give more with --{option}, or {more}"
        raise InputError(f"--resume {place}", "the experiment is finished", more)
    return experiment if count is None else replace(experiment, asked={**experiment.asked, option: count})


@contextlib.contextmanager
def opened(experiment: Experiment, out: Path | None, resume: Path | None) -> Iterator[Path]:
    """Give the folder of an experiment, kept to this process, its record saying that it runs.

    Where it ends before any run has begun, a new folder is removed again; else its record says that it was stopped,
    and an interrupt becomes the line that says how to go on.
    """
    check_place(out, experiment.kind)
    name = f"{experiment.config.recipe}-{experiment.kind}"
    with _terminable(), folder.occupied(out, name, resume) as place:
        folder.sweep(place, below=False)
        try:
            write(place, experiment, "running")
            yield place
        except BaseException as error:
            if not resume and not begun(place):
                _undo(place)
                raise
            reason = str(error) or type(error).__name__
            with contextlib.suppress(OSError):  # the disk may be full; the runs are what counts
                write(place, experiment, "stopped", reason=reason)
            if isinstance(error, KeyboardInterrupt | RunInterruptedError):
                done = len(finished(place))
                said = f"{done} {'run is' if done == 1 else 'runs are'} finished, what was begun is saved"
                remedy = f"go on with: {resume_command(experiment.kind, place)}"
                raise RunInterruptedError("interrupted", said, remedy) from None
            raise


def begun(place: Path) -> list[Path]:
    """List the runs of an experiment that have begun."""
    return sorted(path.parent for path in place.glob(f"*/{folder.RECORD}"))


def finished(place: Path) -> list[Path]:
    """List the runs of an experiment that are finished; what cannot be read is none of them."""
    return [run for run in begun(place) if _is_finished(run)]


def _is_finished(run: Path) -> bool:
    try:
        return bool(folder.read_values(run)["status"] == "finished")
    except InputError:
        return False


def _undo(place: Path) -> None:
    """Remove what belongs to an experiment alone, and folders of runs that were told to end while they were made."""
    for run in place.iterdir():
        if run.is_dir():
            folder.undo(run, (run,))
    shutil.rmtree(place / LOGS, ignore_errors=True)
    for path in (*place.glob("study.db*"), place / RECORD):  # the record last: until then it can be resumed
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Treat a request to terminate like Ctrl-C, between runs as well as within.

    Ctrl-C itself is asked for too: a process that was started in the background begins by ignoring it, and one run
    does not.
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
