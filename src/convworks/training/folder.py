"""The run folder: its names, its record, and how a new one gets its place."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convworks import files
from convworks.config import build, to_json
from convworks.data.source import Source
from convworks.errors import InputError
from convworks.training.config import RunConfig

FORMAT = 1
RECORD = "run.json"


def claim(out: Path | None, recipe: str) -> Path:
    """Return the folder for a new run: `out`, which must be new or empty, or the next free one under runs/.

    It is not made yet: a run whose input is wrong leaves nothing behind.
    """
    if out is not None:
        check_free(out)
        return out
    base = re.sub(r"[^\w.-]+", "-", recipe)
    number = 1
    while (folder := Path("runs") / (base if number == 1 else f"{base}-{number}")).exists():
        number += 1
    return folder


def check_free(out: Path) -> None:
    """Refuse a folder that something is in already."""
    parent = next(p for p in (out, *out.parents) if p.exists() or p.is_symlink())
    if not parent.is_dir():
        what = "is a file" if parent.exists() else "is a link that leads nowhere"
        raise InputError(f"--out {out}", f"{parent} {what}", "give the name of a new folder")
    if (out / RECORD).exists():
        raise InputError(
            f"--out {out}", "a run is in it", f"give the name of a new folder, or go on: {resume_command(out)}"
        )
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"--out {out}", "the folder is not empty", "give the name of a new folder")


def check_outside(out: Path, source: Source) -> None:
    """Refuse a folder inside the source, which is never written to (a run there would become a class)."""
    if source.path is not None and source.path.is_dir() and out.resolve().is_relative_to(source.path.resolve()):
        raise InputError(f"--out {out}", "lies inside the source, which is never written to", "name a place outside")


@contextlib.contextmanager
def occupied(out: Path | None, recipe: str, resume: Path | None) -> Iterator[Path]:
    """Make the folder of a run and keep it to this process while the context lasts; a resumed one is there already.

    Where the run does not get as far as its first checkpoint, a new folder is removed again.
    """
    if resume is not None:
        with _alone(resume):
            yield resume
        return
    while True:
        path = claim(out, recipe)
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            path.mkdir(parents=True, exist_ok=out is not None)
            break
        except FileExistsError:  # another run was quicker
            continue
    try:
        with _alone(path):
            yield path
    except BaseException:
        if not list(path.glob("checkpoints/step-*.json")):
            undo(path, made)
        raise


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse a folder that another process works in; the system lets go of it however a process ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(folder, "another process is working on this run", "wait for it, or stop it") from None
        yield
    finally:
        os.close(handle)


def undo(folder: Path, made: Sequence[Path]) -> None:
    """Remove a run that ended before it saved anything, and the folders that were made for it, the lowest first."""
    written = [folder / name for name in (RECORD, "metrics.jsonl", "metrics.csv")]
    for path in (*written, *folder.glob(f"*{files.TEMPORARY}")):  # what was being written when the process was ended
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    for empty in (folder / "checkpoints", *made):
        with contextlib.suppress(OSError):  # not empty, or never made
            empty.rmdir()


def write_record(folder: Path, config: RunConfig, status: str, **more: Any) -> None:
    """Write run.json: the complete configuration, where the run stands, and what else is known."""
    files.write_json(folder / RECORD, {"format": FORMAT, "status": status, "configuration": to_json(config), **more})


def read_record(folder: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Return the configuration of a run and its whole record; InputError where there is none or it is damaged."""
    path = folder / RECORD
    if not path.is_file():
        raise InputError(folder, f"is no run: it holds no {RECORD}", "give the folder of a run, for example runs/NAME")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise InputError(
                path,
                f"has format {record['format']!r}, this version reads {FORMAT}",
                "resume with the version that wrote it",
            )
        return build(RunConfig, record["configuration"], where=str(path)), record
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            path, f"cannot be read as the record of a run ({type(error).__name__}: {error})", "start the run anew"
        ) from None


def saved(folder: Path) -> tuple[str, str]:
    """Return reason and remedy of a run that was stopped after a checkpoint."""
    return "what was done until the last checkpoint is saved", f"go on with: {resume_command(folder)}"


def sweep(folder: Path) -> None:
    """Delete what an interrupted write left behind."""
    for path in list(folder.rglob(f"*{files.TEMPORARY}")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def resume_command(folder: Path) -> str:
    """Return the command that goes on with a run."""
    return shlex.join(["convworks", "train", "--resume", str(folder)])
