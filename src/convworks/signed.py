"""JSON with its own checksum: a file that is damaged or was edited by hand is refused.

Every file that determines a result is written by `write_signed` and read by `read_signed`. Its field `format`
identifies its content; a format that is not `unsigned` must have a checksum.
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
#: The end of a sealed text: the checksum of all bytes before it.
SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\s*')
SEALED = 80  # bytes, at least the length of the seal


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file: its name in messages, the supported formats, and those without checksums.

    Format 0 is that of files without a field `format`. `fields` are the required fields, with their types; `damaged`
    and `changed` are the remedies for an incomplete file, and for one whose checksum does not match.
    """

    name: str
    formats: tuple[int, ...]
    unsigned: tuple[int, ...] = ()
    fields: Mapping[str, type] = field(default_factory=dict)
    damaged: str
    changed: str = ""


def write_signed(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object with its checksum, atomically."""
    files.write_json(path, signed(values))


def signed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain JSON values with their checksum."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(values), allow_nan=False))  # as they will be read: no tuples
    return {**plain, CHECKSUM: digest(plain)}


def digest(values: Mapping[str, Any]) -> str:
    """Return the checksum of plain values except their own, independent of the layout of the file."""
    content = {key: value for key, value in values.items() if key != CHECKSUM}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_signed(path: Path, kind: Kind) -> dict[str, Any]:
    """Return the object in a file of this kind.

    Raises InputError if it cannot be read, is another kind of file, has an unknown format, was changed, or lacks a
    field.
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
        supported = f"{', '.join(others)} and {last}" if others else last
        reason = f"has format {form!r}, this version reads {supported}"
        raise InputError(path, reason, f"use the version of convworks that wrote it, or {kind.damaged}")
    if form not in kind.unsigned and values.get(CHECKSUM) != digest(values):
        reason = "was modified (checksum mismatch)"
        raise InputError(path, reason, kind.changed or kind.damaged)
    for name, expected_type in kind.fields.items():
        if not isinstance(values.get(name), expected_type):
            reason = f"cannot be read as {kind.name}: it has no {name}, or one of the wrong kind"
            raise InputError(path, reason, kind.damaged)
    return values


def sealed(values: Mapping[str, Any]) -> bytes:
    """Return compact JSON that ends with its checksum, for values too large to serialise twice."""
    body = json.dumps(dict(values), separators=(",", ":"), allow_nan=False).encode()[:-1]
    return body + f',"{CHECKSUM}":"{hashlib.sha256(body).hexdigest()}"}}\n'.encode()


def is_sealed(content: bytes) -> bool:
    """Return whether a text is unchanged since `sealed` wrote it."""
    start = max(0, len(content) - SEALED)
    match = SEAL.fullmatch(content, content.rfind(b",", start))
    return match is not None and hashlib.sha256(memoryview(content)[: match.start()]).hexdigest() == match[1].decode()
