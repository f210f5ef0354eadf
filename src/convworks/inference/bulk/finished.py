"""The record of a finished file, NAME.job.json beside it: the same job, resumed again, has nothing left to do."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convworks.errors import InputError
from convworks.files import sha256
from convworks.partial import LONGEST
from convworks.signed import Kind, read_signed, write_signed

MARK = ".job.json"
JOB = Kind(
    name="the record of a finished file",
    formats=(1,),
    fields={"job": dict, "rows": int, "failed": int, "errors": list, "finishing": bool, "file": str},
    damaged="start again with --overwrite",
)


def beside(out: Path, mark: str) -> Path:
    """Return the path beside a file that has its name and a mark, or for a long name its digest and the mark."""
    name = f"{out.name}{mark}"
    if len(os.fsencode(name)) > LONGEST:
        name = f"{hashlib.sha256(os.fsencode(out.name)).hexdigest()[:16]}{mark}"
    return out.with_name(name)


def keep(out: Path, record: Mapping[str, Any]) -> None:
    """Keep the record of a finished file, where there is room for it."""
    with contextlib.suppress(OSError, InputError):
        write_signed(beside(out, MARK), {**record, "file": sha256(out)})


def finished(out: Path) -> dict[str, Any] | None:
    """Return the record of a finished file; None if there is none, or the file is another now."""
    path = beside(out, MARK)
    if not (path.is_file() and out.is_file()):
        return None
    with contextlib.suppress(InputError):
        record = read_signed(path, JOB)
        if record["file"] == sha256(out):
            return record
    return None
