"""ONNX, run by ONNX Runtime: the description is the last entry of the file's metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from convworks.hardware import threads
from convworks.inference.exported.format import FLOAT32, KEY, SAMPLES, Compute, Files, Format
from convworks.inference.exported.library import load

SUFFIX = ".onnx"
#: Field 14 of a ModelProto is its metadata, whose entries have a key (field 1) and a value (field 2).
METADATA, ENTRY_KEY, ENTRY_VALUE = b"\x72", b"\x0a", b"\x12"
MARK = ENTRY_KEY + bytes([len(KEY)]) + KEY.encode() + ENTRY_VALUE


def seal(files: Files, text: str) -> Files:
    """Append the description as an entry of the metadata: concatenated messages of protocol buffers are one message."""
    return {SUFFIX: files[SUFFIX] + _entry(text)}


def description(files: Files) -> str:
    """Return the description; ValueError if the file does not end with one."""
    text = _divided(files[SUFFIX])[1]
    if not text:
        raise ValueError("no description")
    return text


def digest(files: Files) -> str:
    """Return the checksum of all but the description."""
    return hashlib.sha256(_divided(files[SUFFIX])[0]).hexdigest()


def open_session(files: Files, precision: str, names: Sequence[str]) -> Compute:
    """Return the function that computes the named outputs, with as many threads as there are cores."""
    onnxruntime = load("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads(), 3
    session = onnxruntime.InferenceSession(files[SUFFIX], options, providers=["CPUExecutionProvider"])

    def compute(samples: np.ndarray) -> list[np.ndarray]:
        computed: list[np.ndarray] = session.run(list(names), {SAMPLES: samples})
        return computed

    return compute


def _entry(text: str) -> bytes:
    value = text.encode()
    content = MARK + _length(len(value)) + value
    return METADATA + _length(len(content)) + content


def _length(number: int) -> bytes:
    """Return a number as protocol buffers write it: seven bits a byte, the lowest first."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def _divided(content: bytes) -> tuple[bytes, str]:
    """Return all before the description, and the description, which is empty if there is none."""
    start = content.rfind(MARK)  # never within the description: JSON has no control characters
    text = content[content.find(b"{", start) :].decode("ascii", "replace") if start >= 0 else ""
    entry = _entry(text)
    return (content[: -len(entry)], text) if text and content.endswith(entry) else (content, "")


ONNX = Format(
    name="onnx",
    suffixes=(SUFFIX,),
    library="onnxruntime",
    precisions=lambda: (FLOAT32,),
    seal=seal,
    description=description,
    digest=digest,
    start=open_session,
)
