"""`convworks data SOURCE --pack DIR`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from convworks.cli.answer import Answer
from convworks.commands import repeated
from convworks.console import counting, downloading
from convworks.data.shards.pack import SIZE, pack
from convworks.data.sources.open import open_source
from convworks.errors import InputError, counted

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def run(text: str, *, folder: Path | None, shard_size: str | None, others: Mapping[str, object]) -> Answer:
    """Write a source as tar shards with an index; `others` are options that apply to contact sheets only."""
    if folder is None:
        raise InputError("--shard-size", "needs --pack", "add --pack DIR")
    for option, value in others.items():
        if value:
            raise InputError(option, "cannot be combined with --pack", "leave one of them out")
    size = SIZE if shard_size is None else _bytes(shard_size)
    source = open_source(text, report=downloading())
    with counting("packing") as report:
        packed = pack(source, folder, shard_size=size, report=report)
    values = {
        "source": source.name,
        "folder": str(packed.folder),
        "index": str(packed.index),
        "shards": packed.shards,
        "images": packed.images,
        "bytes": packed.bytes,
    }
    lines = [
        f"{source.name}: {counted(packed.images, 'image')} in {counted(packed.shards, 'shard')}, "
        f"{packed.bytes / 2**20:,.1f} MiB",
        f"index: {packed.index}",
        f"next: {repeated(['data', folder], {})}",
    ]
    return Answer(values=values, text="\n".join(lines))


def _bytes(text: str) -> int:
    """Read a size such as 1GB, 64MiB or 500000."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if match is None or match[2].upper() not in UNITS or not 1 <= float(match[1]) * UNITS[match[2].upper()] < 2**60:
        raise InputError("--shard-size", f"{text!r} is not a file size", "write 1GB, 500MB or 64MiB")
    return int(float(match[1]) * UNITS[match[2].upper()])
