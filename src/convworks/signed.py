"""JSON that convworks wrote, with its own checksum: what is damaged or was changed by hand is refused in one line.

Every file that decides a result is written by `write_signed` and read by `read_signed`. Its field `format` says what is
in it; a format that is not `unsigned` has a checksum, so that one cannot be left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convworks import files
from convworks.errors import InputError

CHECKSUM = "sha256"
#: How a sealed text ends: its checksum is that of all bytes before.
SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\s*')
SEALED = 80  # bytes that hold the whole seal


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file: what it is called, the formats that are read, and those from before there were checksums.

    Format 0 is that of files without a field `format`. `fields` are what every file has, with their types; `damaged`
    and `changed` say what helps where a file is not whole, and where its checksum is that of other content.
    """

    name: str
    formats: tuple[int, ...]
    unsigned: tuple[int, ...] = ()
    fields: Mapping[str, type] = field(default_factory=dict)
    damaged: str
    changed: str = ""


def write_signed(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object with its checksum, whole or not at all."""
    files.write_json(path, signed(values))


def signed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values with their checksum."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(values), allow_nan=False))  # what will be read: no tuples
    return {**plain, CHECKSUM: digest(plain)}


def digest(values: Mapping[str, Any]) -> str:
    """Return the checksum of plain values without their own: however they are laid out in a file."""
    content = {key: value for key, value in values.items() if key != CHECKSUM}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_signed(path: Path, kind: Kind) -> dict[str, Any]:
    """Return the object in a file of this kind.

    Raises InputError where it cannot be read, is something else's, has a format that is not known, was changed, or
    lacks a field.
    """
    try:
        content = files.read_json(path)
    except InputError as error:
        raise InputError(path, f"cannot be read as {kind.name}: it {error.reason}", kind.damaged) from None
    values: dict[str, Any] = content if isinstance(content, dict) else {"format": None}
    form = values.get("format", 0)
    if form is None or (form == 0 and 0 not in kind.formats):
        raise InputError(path, f"cannot be read as {kind.name}: it has no format", kind.damaged)
    if type(form) is not int or form not in kind.formats:
        *others, last = map(str, kind.formats)
        known = f"{', '.join(others)} and {last}" if others else last
        reason = f"has format {form!r}, this version reads {known}"
        raise InputError(path, reason, f"use the version of convworks that wrote it, or {kind.damaged}")
    if form not in kind.unsigned and values.get(CHECKSUM) != digest(values):
        reason = "was changed after it was written (its checksum does not match)"
        raise InputError(path, reason, kind.changed or kind.damaged)
    for name, wanted in kind.fields.items():
        if not isinstance(values.get(name), wanted):
            reason = f"cannot be read as {kind.name}: it has no {name}, or one of the wrong kind"
            raise InputError(path, reason, kind.damaged)
    return values


def sealed(values: Mapping[str, Any]) -> bytes:
    """Return compact JSON that ends with the checksum of what is before: for texts too long to be written twice."""
    body = json.dumps(dict(values), separators=(",", ":"), allow_nan=False).encode()[:-1]
    return body + f',"{CHECKSUM}":"{hashlib.sha256(body).hexdigest()}"}}\n'.encode()


def is_sealed(content: bytes) -> bool:
    """Tell whether a text is as `sealed` wrote it."""
    start = max(0, len(content) - SEALED)
    match = SEAL.fullmatch(content, content.rfind(b",", start))
    return match is not None and hashlib.sha256(memoryview(content)[: match.start()]).hexdigest() == match[1].decode()
