"""A restoration as files: the best picture so far, the curve, the record, and what another process resumes from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from convworks.csv_files import write_csv
from convworks.data.decode.decode import to_image
from convworks.errors import InputError
from convworks.files import atomic, sha256
from convworks.restoration.fit import Row
from convworks.restoration.material import Material
from convworks.restoration.paths import Paths
from convworks.restoration.progress import Progress
from convworks.restoration.request import Request
from convworks.restoration.result import Restored
from convworks.restoration.saved import Saved
from convworks.restoration.session import Part, Session
from convworks.signed import Kind, digest, read_signed, write_signed
from convworks.training.checkpoints.state import steps
from convworks.training.checkpoints.store import keep_checkpoints, load_checkpoint, save_checkpoint

FORMAT = 1
AGAIN = "give --overwrite to restore it anew"
RECORD = Kind(
    name="the record of a restored picture",
    formats=(FORMAT,),
    fields={"identity": str, "record": dict},
    damaged=AGAIN,
)
SHOWN = Kind(name="the place of a preview", formats=(FORMAT,), fields={"place": list, "seconds": float}, damaged=AGAIN)


def identity(request: Request, material: Material) -> str:
    """Return a digest of what is restored, and how: the budget may differ, and defaults may be given by name."""
    chosen = {"scale": request.factor, "model": request.network, "stop": request.rule.name, "iterations": request.limit}
    chosen["runs"] = request.runs or request.table.runs
    options = {key: value for key, value in asdict(request).items() if key != "minutes"} | chosen
    arrays = (material.pixels, material.known, material.clean)
    return digest({**options, "arrays": [None if array is None else digest_of(array) for array in arrays]})


def digest_of(array: np.ndarray) -> str:
    """Return a digest of an array."""
    import hashlib

    digest = hashlib.sha256(f"{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)  # not copied: it may be large
    return digest.hexdigest()


def finished(paths: Paths, identity: str) -> dict[str, Any] | None:
    """Return the record of a picture that was restored before; None if one of its files is missing, or to be replaced.

    Raises InputError if it was restored with other options, or if a file was changed since.
    """
    if not paths.record.exists() or paths.replaced.exists():
        return None
    values = read_signed(paths.record, RECORD)
    if values["identity"] != identity:
        raise other(paths)
    left = [path for path in paths.results if path.exists()]
    for path in left:  # records of earlier versions have no checksums
        if values.get("files", {}).get(path.name, checksum := sha256(path)) != checksum:
            raise InputError(path, "was changed since it was restored", f"move it, or {AGAIN}")
    record: dict[str, Any] = values["record"]
    return record if left == paths.results else None


def mark(paths: Paths) -> None:
    """Mark what was restored before, or begun, as to be replaced: whoever resumes this begins anew."""
    if paths.record.exists() or paths.state.exists():
        paths.state.mkdir(parents=True, exist_ok=True)
        paths.replaced.touch()


def unmark(paths: Paths) -> None:
    """Undo `mark`: the picture cannot be restored, so what was there stays."""
    paths.replaced.unlink(missing_ok=True)
    with suppress(OSError):  # a checkpoint is in it
        paths.state.rmdir()


def other(paths: Paths) -> InputError:
    """Return the error for a picture that is resumed with other options."""
    reason = f"{paths.record.stem} was begun with other options, or is another image"
    return InputError("--resume", reason, "give the same ones, or another --out")


class Folder:
    """Keeps a restoration in a folder, and shows the best picture so far there."""

    def __init__(self, paths: Paths, name: str, identity: str, *, resume: bool) -> None:
        self.paths, self.identity, self.resume = paths, identity, resume
        self.shown = paths.state / "shown.json"
        self.count = 0
        self.progress = Progress(name, f"; best so far: {paths.pictures[0]}")

    def load(self) -> Saved | None:
        """Return what another process kept; InputError if it did something else."""
        folder = self.paths.state
        if not self.resume or self.paths.replaced.exists() or not folder.is_dir() or not (saved := steps(folder)):
            return None
        tensors, state = load_checkpoint(folder)
        if state["identity"] != self.identity:
            raise other(self.paths)
        self.count = saved[-1]
        if self.shown.exists() and all(path.exists() for path in self.paths.pictures):
            state["shown"] = read_signed(self.shown, SHOWN)
        state.setdefault("shown", {"place": [0, 0], "seconds": 0.0})  # of earlier versions
        return tensors, state

    def keep(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write a checkpoint, then remove the one before; the first one replaces what an earlier restoration left."""
        if not self.count:  # an old record beside a new picture would pass for the record of that
            mark(self.paths)
            for path in (self.paths.record, self.paths.curve, self.shown):
                path.unlink(missing_ok=True)
            keep_checkpoints(self.paths.state, ())
        self.count += 1
        save_checkpoint(self.paths.state, self.count, tensors, {**state, "identity": self.identity})
        self.paths.replaced.unlink(missing_ok=True)
        keep_checkpoints(self.paths.state, {self.count})

    def show(self, pictures: Sequence[UInt8[np.ndarray, "h w c"]], shown: Mapping[str, Any]) -> None:
        """Write where this is, as the checkpoint is an earlier one, and the best pictures so far."""
        write_signed(self.shown, {"format": FORMAT, **shown})
        self._write(pictures)

    def tell(self, session: Session, row: Row) -> None:
        """Say where the restoration stands."""
        self.progress(session, row)

    def end(self, restored: Restored) -> None:
        """Write pictures, curve and, at last, the record; remove the checkpoint."""
        self._write(restored.images)
        header = [field.name for table in (Part, Row) for field in fields(table)]
        write_csv(self.paths.curve, header, (row.values() for row in restored.curve))
        sums = {path.name: sha256(path) for path in self.paths.results}
        values = {"format": FORMAT, "identity": self.identity, "files": sums, "record": restored.record}
        write_signed(self.paths.record, values)
        shutil.rmtree(self.paths.state, ignore_errors=True)

    def _write(self, pictures: Sequence[UInt8[np.ndarray, "h w c"]]) -> None:
        for path, pixels in zip(self.paths.pictures, pictures, strict=True):
            write_picture(path, pixels)


def write_picture(path: Path, pixels: UInt8[np.ndarray, "h w c"]) -> None:
    """Write a PNG file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as file:
        to_image(pixels).save(file, "PNG", compress_level=1)
