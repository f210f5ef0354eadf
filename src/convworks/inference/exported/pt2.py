"""PyTorch's exported programs: the description is one more file in the archive, which ends with its own checksum."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence

import numpy as np

from convworks.inference.exported.format import FLOAT32, KEY, Compute, Files, Format

SUFFIX = ".pt2"
EXTRA = f"extra/{KEY}.json"
CHECKSUM = 64  # bytes of a checksum, in hexadecimal


def seal(files: Files, text: str) -> Files:
    """Add the description to the archive, and as its comment the checksum of all bytes before."""
    archive = io.BytesIO(files[SUFFIX])
    with zipfile.ZipFile(archive, "a") as file:
        root = file.namelist()[0].partition("/")[0]
        file.writestr(zipfile.ZipInfo(f"{root}/{EXTRA}"), text)
        file.comment = bytes(CHECKSUM)
    content = archive.getvalue()[:-CHECKSUM]
    return {SUFFIX: content + _checksum(content)}


def description(files: Files) -> str:
    """Return the description; ValueError if the archive has none, or is not as it was written."""
    content = files[SUFFIX]
    if content[-CHECKSUM:] != _checksum(content[:-CHECKSUM]):
        raise ValueError("another checksum")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            for name in file.namelist():
                if name.endswith(f"/{EXTRA}"):
                    return file.read(name).decode()
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ValueError(str(error)) from None
    raise ValueError("no description")


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def digest(files: Files) -> str:
    """Return the checksum of all other files in the archive, with their names; ValueError for a damaged one."""
    total = hashlib.sha256()
    try:
        with zipfile.ZipFile(io.BytesIO(files[SUFFIX])) as file:
            for name in sorted(file.namelist()):
                if not name.endswith(f"/{EXTRA}"):
                    total.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(file.read(name)).digest())
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ValueError(str(error)) from None
    return total.hexdigest()


def open_program(files: Files, precision: str, names: Sequence[str]) -> Compute:
    """Return the function that computes all outputs in PyTorch, without the classes of convworks."""
    import torch

    network = torch.export.load(io.BytesIO(files[SUFFIX])).module()

    def compute(samples: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [output.numpy() for output in network(torch.from_numpy(samples))]

    return compute


PT2 = Format(
    name="pt2",
    suffixes=(SUFFIX,),
    library="torch",
    precisions=lambda: (FLOAT32,),
    seal=seal,
    description=description,
    digest=digest,
    start=open_program,
)
