"""Messages between the server and its workers: a JSON header and pieces of bytes, over a socket."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

#: Bytes of the header, and of all pieces together.
SIZES = struct.Struct("<IQ")
Message = tuple[dict[str, Any], list[bytes]]


def pack(header: dict[str, Any], pieces: Sequence[bytes] = ()) -> list[bytes]:
    """Return the parts of a message."""
    text = json.dumps({**header, "pieces": [len(piece) for piece in pieces]}).encode()
    return [SIZES.pack(len(text), sum(map(len, pieces))), text, *pieces]


async def read(stream: asyncio.StreamReader) -> Message | None:
    """Return the next message; None at the end of the stream."""
    try:
        text, pieces = SIZES.unpack(await stream.readexactly(SIZES.size))
        return _message(await stream.readexactly(text), await stream.readexactly(pieces))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def receive(channel: socket.socket) -> Message | None:
    """Return the next message, waiting for it; None at the end of the stream."""
    try:
        text, pieces = SIZES.unpack(_exactly(channel, SIZES.size))
        return _message(_exactly(channel, text), _exactly(channel, pieces))
    except (EOFError, ConnectionError):
        return None


def _message(text: bytes, content: bytes) -> Message:
    header = json.loads(text)
    pieces, start = [], 0
    for size in header.pop("pieces"):
        pieces.append(content[start : start + size])
        start += size
    return header, pieces


def _exactly(channel: socket.socket, size: int) -> bytes:
    content = bytearray(size)
    view, done = memoryview(content), 0
    while done < size:
        count = channel.recv_into(view[done:])
        if not count:
            raise EOFError
        done += count
    return bytes(content)
