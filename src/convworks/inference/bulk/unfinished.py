"""A file that is not finished: its rows so far in a folder beside it, with a record of what they are."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from convworks.errors import ConvworksError, InputError, RunError
from convworks.files import flush, open_regular, remedy
from convworks.inference.bulk.finished import beside, finished, keep
from convworks.inference.bulk.formats import Format
from convworks.locks import AVAILABLE, lock, same
from convworks.signed import Kind, read_signed, write_signed

MARK = ".unfinished"
RECORD, ROWS = "job.json", "rows"
FORMAT = 1
INTERVAL = 2.0  # seconds between two records: as much work is repeated after a kill, at most
SHOWN = 10  # errors that are recorded
PIECE = 1 << 20  # bytes read at once
AGAIN = "start again with --overwrite"
RESUME = "run the same command again with --resume"
JOB = Kind(
    name="the record of an unfinished file",
    formats=(FORMAT,),
    fields={"job": dict, "rows": int, "bytes": int, "content": str, "failed": int, "errors": list},
    damaged=AGAIN,
)
#: What differs between two jobs, in words; the other fields are named as they are.
WORDS = {"bundles": "another bundle", "images": "other images, or some that have changed"}


class InterruptedJobError(ConvworksError):
    """The job was interrupted; it can be resumed."""

    exit_status = 130


@dataclass(kw_only=True)
class Unfinished:
    """The rows so far, `earlier` ones of runs that ended too soon included; how many failed, and the first that did."""

    folder: Path
    job: Mapping[str, Any]
    overwrite: bool
    file: IO[bytes]
    digest: Any
    size: int = 0
    rows: int = 0
    failed: int = 0
    errors: list[dict[str, str]] = field(default_factory=list)
    earlier: int = 0
    recorded: int = 0
    last: float = field(default_factory=time.monotonic)
    latest: Mapping[str, Any] = field(default_factory=dict)

    def add(self, text: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, with their text. They count once they are recorded, which is every few seconds."""
        content = text.encode("utf-8", "surrogateescape")
        self.file.write(content)
        self.digest.update(content)
        self.size, self.rows = self.size + len(content), self.rows + len(rows)
        broken = [dict(row) for row in rows if "error" in row]
        self.failed += len(broken)
        self.errors += broken[: SHOWN - len(self.errors)]
        if time.monotonic() - self.last >= INTERVAL:
            self.record()

    def record(self, *, finishing: bool = False) -> None:
        """Flush the rows to the disk, then the record that counts them."""
        flush(self.file)
        values = {"rows": self.rows, "bytes": self.size, "content": self.digest.hexdigest()}
        values |= {"failed": self.failed, "errors": self.errors, "finishing": finishing, "overwrite": self.overwrite}
        self.latest = {"format": FORMAT, "job": self.job, **values}
        write_signed(self.folder / RECORD, self.latest)
        self.recorded, self.last = self.rows, time.monotonic()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Record the rows if the context ends too soon, unless the disk is full or they were given up."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                if self.rows > self.recorded:
                    self.record()
            raise

    def give_up(self) -> None:
        """Keep no rows when the context ends too soon."""
        self.rows = self.recorded = 0


def folder_of(out: Path) -> Path:
    """Return the folder of the rows of a file until it is finished: NAME.unfinished beside it."""
    return beside(out, MARK)


def begun(out: Path) -> dict[str, Any] | None:
    """Return the record of an unfinished file; None if there is none."""
    path = folder_of(out) / RECORD
    return read_signed(path, JOB) if path.exists() else None


def recorded(out: Path) -> dict[str, Any] | None:
    """Return the record of a file to resume, unfinished or finished; None if there is none."""
    return begun(out) or finished(out)


def check_begun(out: Path, *, resume: bool, overwrite: bool) -> dict[str, Any] | None:
    """Return the record of the file to resume, or None; InputError if rows would be lost that nobody gave up."""
    if overwrite and not resume:
        return None
    record = recorded(out) if resume else begun(out)
    if record is not None and record["rows"] and not resume:
        reason = f"was begun before, {record['rows']:,} of {record['job']['count']:,} rows are in {folder_of(out)}"
        raise InputError(f"--out {out}", reason, "go on with --resume, or start again with --overwrite")
    return record if resume else None


def may_replace(record: Mapping[str, Any] | None) -> bool:
    """Return whether an unfinished file replaces an existing one: that was allowed, or it is the finished one."""
    return record is not None and bool(record.get("overwrite") or record.get("finishing"))


def is_finished(out: Path, record: Mapping[str, Any]) -> bool:
    """Return whether a file is in place, and only the record of it was not removed."""
    rows = _rows(out)
    return bool(record.get("finishing")) and not rows.exists() and out.exists()


@contextlib.contextmanager
def unfinished(
    out: Path, job: Mapping[str, Any], form: Format, *, resume: bool, overwrite: bool
) -> Iterator[Unfinished]:
    """Yield the rows so far, to add others; at the end of the context the file is in place, as a whole.

    If the context ends too soon the rows remain, and `resume` continues after them. Raises InputError if another
    process writes the file, for rows of another job, and for rows that were modified.
    """
    with _held(out):
        record = begun(out) if resume else None
        if record is not None:
            check_same(out, record, job)
        state = _begin(out, job, overwrite=overwrite) if record is None else _resume(out, record)
        try:
            with state.file, state.kept():
                if record is None:
                    state.add(form.head, [])
                yield state
                state.record(finishing=True)
            if form.finish is None:
                _rows(out).replace(out)
            else:
                form.finish(_rows(out), out)
            keep(out, state.latest)
        except BaseException as error:
            if not state.recorded:
                remove(out)
            raise _explained(out, state, error) from None
        remove(out)


def check_same(out: Path, record: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    """Raise InputError if the rows so far are of another job."""
    before = record["job"]
    for name, value in job.items():
        if before.get(name) != value:
            earlier, now = _listed(before.get(name)), _listed(value)
            change = f"with {WORDS[name]}" if name in WORDS else f"with {name} {earlier}, not {now}"
            raise InputError(f"--resume {out}", f"was begun {change}", f"give the same, or {AGAIN}")


def _listed(value: object) -> str:
    """Return a value of a job as text: `onnx float32 cpu` for a list of words, several lists with commas between."""
    if not isinstance(value, list):
        return "none" if value is None else str(value)
    return (", " if value and isinstance(value[0], list) else " ").join(map(_listed, value))


def remove(out: Path) -> None:
    """Remove the folder of an unfinished file, if it is there, its record last."""
    folder = folder_of(out)
    if not folder.exists():
        return
    for entry in sorted(folder.iterdir(), key=lambda path: path.name == RECORD):
        entry.unlink()
    folder.rmdir()


def _rows(out: Path) -> Path:
    return folder_of(out) / f"{ROWS}{out.suffix.lower()}"


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the lock of the folder, which is created if it is missing."""
    folder = folder_of(out)
    try:
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) if AVAILABLE else None
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"--out {out}", f"{folder} is in the way", "move it away") from None
    try:
        if handle is not None and (lock(handle) is False or not same(handle, folder)):
            reason = "is being written by another process"
            raise InputError(f"--out {out}", reason, "wait for it, or give another name")
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _begin(out: Path, job: Mapping[str, Any], *, overwrite: bool) -> Unfinished:
    for entry in folder_of(out).iterdir():
        entry.unlink()
    file = open(_rows(out), "wb")  # noqa: SIM115 -- closed by `unfinished`
    return Unfinished(folder=folder_of(out), job=job, overwrite=overwrite, file=file, digest=hashlib.sha256())


def _resume(out: Path, record: Mapping[str, Any]) -> Unfinished:
    """Return the rows so far, without those that were written after the last record."""
    path, left = _rows(out), record["bytes"]
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while left and (piece := file.read(min(PIECE, left))):
            digest.update(piece)
            left -= len(piece)
    if left or digest.hexdigest() != record["content"]:
        reason = "is shorter than its record says" if left else "was modified (checksum mismatch)"
        raise InputError(path, reason, AGAIN)
    os.truncate(path, record["bytes"])
    return Unfinished(
        folder=folder_of(out),
        job=record["job"],
        overwrite=bool(record.get("overwrite")),
        file=open(path, "ab"),
        digest=digest,
        size=record["bytes"],
        rows=record["rows"],
        failed=record["failed"],
        errors=record["errors"],
        earlier=record["rows"],
        recorded=record["rows"],
    )


def _explained(out: Path, state: Unfinished, error: BaseException) -> BaseException:
    """Return an error that says which file it is about, and that rows are kept if there are any."""
    if isinstance(error, OSError) and error.strerror and _is_of(out, error.filename):
        error.filename = str(out)
    if not state.recorded or isinstance(error, InputError):
        return error
    if isinstance(error, KeyboardInterrupt):
        reason = f"{state.recorded:,} of {state.job['count']:,} rows are kept"
        return InterruptedJobError("interrupted", reason, RESUME)
    if isinstance(error, OSError) and error.strerror:
        return RunError(error.filename, error.strerror, f"{remedy(error)}, then {RESUME}")
    if isinstance(error, RunError):
        return RunError(error.where, error.reason, f"{error.remedy}, then {RESUME}")
    return error


def _is_of(out: Path, name: Any) -> bool:
    """Return whether an error of the system is about the rows: it names none, or one in their folder."""
    return name is None or Path(os.fsdecode(name)).parent == folder_of(out)
