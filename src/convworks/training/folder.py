"""The run folder: its files, its record, and its creation."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks import files, locks
from convworks.bundle.description import RUN_RECORD
from convworks.config import build, to_json
from convworks.errors import InputError
from convworks.outputs import Protected, check_empty, check_new_folder
from convworks.partial import is_partial
from convworks.signed import Kind, read_signed, write_signed
from convworks.training.checkpoints.state import steps
from convworks.training.config import RunConfig

FORMAT = 2
RECORD, METRICS = RUN_RECORD, "metrics.jsonl"
#: The recipes that fit any data, and how the folders of their runs are named by default.
DATA = "{data}"
ANY_DATA = {"folder/default": DATA, "transfer": f"{DATA}-transfer"}
#: Suffixes of sources that are files.
TABLES = (".csv", ".tsv", ".parquet", ".json", ".tar", ".tar.gz", ".tgz")
Row = dict[str, float | int]
RUN = Kind(
    name="the record of a run",
    formats=(1, FORMAT),
    unsigned=(1,),
    fields={"status": str, "configuration": dict},
    damaged="start a new run",
    changed="undo the change (a resumed run is changed by --epochs and --set), or start a new run",
)


def default_name(config: RunConfig) -> str:
    """Return the name that a run's folder gets by default: the recipe's, or that of the data where it fits any."""
    path = config.data.source.partition("?")[0].rstrip("/\\")
    name = (Path(path) if path not in ("", ".", "..") else Path(path).resolve()).name
    data = re.sub(rf"({'|'.join(map(re.escape, TABLES))})$", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]+", "-", ANY_DATA.get(config.recipe, config.recipe).replace(DATA, data)).strip("-.") or "run"


def claim(out: Path | None, name: str) -> Path:
    """Return the folder for a new run: `out`, which must be new or empty, or the next free name under runs/.

    It is not created yet: a run with invalid input leaves nothing behind.
    """
    if out is not None:
        check_free(out)
        return out
    number = 1
    while (folder := Path("runs") / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder


def check_free(out: Path) -> None:
    """Raise InputError for a folder that is not empty."""
    if (out / RECORD).exists():
        ended = False
        with contextlib.suppress(InputError):
            ended = read_values(out)["status"] == "finished"
        kind, onward = ("a finished run", "train it further") if ended else ("a run", "resume it")
        command = f"{resume_command(out)}{' --epochs +10' if ended else ''}"
        raise InputError(f"--out {out}", f"contains {kind}", f"name a new folder, or {onward}: {command}")
    check_empty("--out", out)


def check_new(out: Path | None, name: str, protected: Protected) -> None:
    """Raise InputError for a new run in a folder that is not empty or not writable, or that lies within its data."""
    check_new_folder("--out", claim(out, name), protected)


@contextlib.contextmanager
def run_folder_locked(out: Path | None, name: str, resume: Path | None) -> Iterator[Path]:
    """Create the folder of a run, or take the one to resume, and hold its lock while the context lasts.

    A new folder is removed again if the run ends before its first checkpoint.
    """
    if resume is not None:
        with _locked(resume):
            yield resume
        return
    while True:
        path = claim(out, name)
        new_folders = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            path.mkdir(parents=True, exist_ok=out is not None)
            break
        except FileExistsError:  # another run was quicker
            continue
    with _locked(path):
        check_free(path)  # another run may have been here in between
        sweep(path)
        try:
            yield path
        except BaseException:
            if not list(path.glob("checkpoints/step-*.json")):
                undo(path, new_folders)
            raise


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; InputError if another process holds it. The system releases it when a process ends."""
    if not locks.AVAILABLE:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if locks.lock(handle) is False:
            raise InputError(folder, "another process is working on this run", "wait for it, or stop it")
        yield
    finally:
        os.close(handle)


def undo(folder: Path, new_folders: Sequence[Path]) -> None:
    """Remove a run that ended before it saved anything, and the folders created for it, the innermost first.

    The record is removed last: until then the run can be resumed if this is interrupted.
    """
    sweep(folder)
    with contextlib.suppress(OSError):  # never created
        (folder / "checkpoints").rmdir()
    for name in ("metrics.csv", METRICS, RECORD):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    for empty in new_folders:
        with contextlib.suppress(OSError):  # not empty
            empty.rmdir()


def write_record(folder: Path, config: RunConfig, status: str, **more: Any) -> None:
    """Write run.json: the complete configuration, the status, and further values.

    Unless the run is running, it includes the checksum of the metrics.
    """
    values = {"format": FORMAT, "status": status, "configuration": to_json(config), **more}
    if status != "running" and (folder / METRICS).is_file():
        values["metrics_sha256"] = files.sha256(folder / METRICS)
    write_signed(folder / RECORD, values)


def read_values(folder: Path) -> dict[str, Any]:
    """Return the record of a run as plain values; InputError if it is missing, damaged or was modified."""
    path = folder / RECORD
    if not path.exists():
        reason = f"is not a run: it holds no {RECORD}" if folder.exists() else "does not exist"
        raise InputError(folder, reason, "give the folder of a run, for example runs/NAME")
    return read_signed(path, RUN)


def read_record(folder: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Return the configuration of a run and its complete record; InputError as in `read_values`."""
    record = read_values(folder)
    if record["status"] == "finished" and not _are_results(record.get("results")):
        raise InputError(folder / RECORD, "marks the run as finished, but has no results", RUN.damaged)
    return build(RunConfig, record["configuration"], where=str(folder / RECORD)), record


def history(folder: Path) -> list[Row]:
    """Return the rows of metrics.jsonl; an empty list if there is no such file yet.

    Raises InputError if it is damaged, or does not match the checksum in the record of a run that has ended.
    """
    path = folder / METRICS
    checksum = read_values(folder).get("metrics_sha256") if (folder / RECORD).exists() else None
    if not path.exists() and checksum is None:
        return []
    content = files.read_bytes(path)
    rows: list[Row] = []
    with contextlib.suppress(ValueError, RecursionError):
        rows = [json.loads(line) for line in content.splitlines()]
    whole = all(isinstance(row, dict) and set(map(type, row.values())) <= {int, float} for row in rows)
    if not whole or bool(rows) != bool(content.strip()) or checksum not in (None, hashlib.sha256(content).hexdigest()):
        raise InputError(path, f"is damaged, or does not match {RECORD}", RUN.damaged)
    return rows


def saved_score(results: Mapping[str, Any], rows: Sequence[Row], metric: str) -> float:
    """Return a metric on validation of the epoch that a finished run saved, from its results and its history."""
    saved = next((row for row in rows if row["epoch"] == results["best_epoch"]), rows[-1])
    return float(saved[f"validation_{metric}"])


def _are_results(values: Any) -> bool:
    """Return whether these are valid results of a finished run, as far as other code relies on them."""
    kinds = {"epochs": int, "best_epoch": int, "validation": dict, "test": dict | None}
    return isinstance(values, dict) and all(isinstance(values.get(name), kind) for name, kind in kinds.items())


def saved(folder: Path) -> tuple[str, str]:
    """Return reason and remedy for a run that was stopped after a checkpoint."""
    rows = files.read_bytes(folder / METRICS).splitlines() if (folder / METRICS).is_file() else []
    last = max(steps(folder / "checkpoints"), default=0)
    epochs = sum(json.loads(row)["step"] <= last for row in rows)  # the row of an epoch is written before it is saved
    return "work up to the last checkpoint is saved", resume_or_finish(folder, epochs)


def resume_or_finish(folder: Path, epochs: int) -> str:
    """Return the commands for a run that was stopped: one resumes it, the other ends it after its complete epochs."""
    further = f"resume with: {resume_command(folder)}"
    return f"{further}, or end it after epoch {epochs}: {finish_command(folder)}" if epochs else further


def sweep(folder: Path, *, below: bool = True) -> None:
    """Delete the partial files of interrupted writes in a folder locked by this process, and in its subfolders."""
    for path in list((folder.rglob if below else folder.glob)("*.partial")):
        if not is_partial(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def resume_command(folder: Path) -> str:
    """Return the command that resumes a run."""
    return shlex.join(["convworks", "train", "--resume", str(folder)])


def finish_command(folder: Path) -> str:
    """Return the command that ends a run that was stopped, with bundle and report of its complete epochs."""
    return f"{resume_command(folder)} --finish"
