"""Remote files over http(s): whole or by byte ranges, with retries."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from convworks.data.http.retry import RefusedError, refused, with_retries
from convworks.errors import RunError

ATTEMPTS = 5
PAUSE = 0.5  # seconds before the second attempt; later ones wait longer
AHEAD = 1 << 22  # bytes requested at once for sequential reads
NEAR = 1 << 16  # a gap of up to this many bytes still counts as sequential
LARGEST = 1 << 30  # bytes of one image file
RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
REMEDY = "check address and connection, or copy the shards to a disk and give their folder"


def read_all(address: str, *, limit: int) -> bytes:
    """Return the whole content of a URL; raises RunError if it fails, or exceeds `limit` bytes."""
    return _request_with_retries(address, None, limit)[0]


def read_range(address: str, offset: int, size: int, *, length: int) -> bytes:
    """Return `size` bytes from `offset` of a file that must have `length` bytes, or raise RunError.

    A thread that reads sequentially prefetches the bytes that follow.
    """
    window = _local.window
    if window.address == address and window.start <= offset and offset + size <= window.start + len(window.content):
        window.end = offset + size
        return window.content[offset - window.start :][:size]
    sequential = window.address == address and 0 <= offset - window.end <= NEAR
    if size > LARGEST:
        raise RunError(address, f"lists a file of {size:,} bytes, too large for an image", "rebuild the index")
    wanted = min(max(size, AHEAD), length - offset) if sequential else size
    content, total = _request_with_retries(address, (offset, wanted), wanted) if wanted else (b"", length)
    if total != length:
        raise RunError(address, f"has {total:,} bytes, but {length:,} in its index", "rebuild the index")
    _local.window = _Window(address=address, start=offset, content=content, end=offset + size)
    return content[:size]


def _request_with_retries(address: str, part: tuple[int, int] | None, limit: int) -> tuple[bytes, int]:
    """Request with retries; return the bytes and the length of the whole file.

    A server that is asked for a part of a file has answered before: its index was read.
    """
    try:
        return with_retries(lambda: _request(address, part, limit), ATTEMPTS, PAUSE, known=part is not None)
    except RefusedError as refusal:
        raise RunError(address, f"cannot be read ({refusal})", REMEDY) from None


def _request(address: str, part: tuple[int, int] | None, limit: int) -> tuple[bytes, int]:
    """Send one request, and check that the response is the requested range."""
    from convworks.data.http.web import get, pieces  # urllib3 is slow to import, and rarely needed

    headers = {"Range": f"bytes={part[0]}-{sum(part) - 1}"} if part is not None else {}
    with get(address, headers, limit=limit) as response:
        if response.status not in (200, 206):
            raise refused(response.status, response.reason)
        if part is None:
            content = b"".join(pieces(response, limit))
            return content, len(content)
        if response.status == 200:
            raise RefusedError("the server does not support range requests", passing=False)
        match = RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if match is None or int(match[1]) != part[0]:
            raise RefusedError("it answered with another range", passing=True)
        content = b"".join(pieces(response, part[1]))
        if len(content) != part[1] and sum(part) <= int(match[2]):
            raise RefusedError(f"it ended after {len(content)} of {part[1]} bytes", passing=True)
        return content, int(match[2])


@dataclass(kw_only=True)
class _Window:
    """The bytes fetched last: those of a file from `start` on, and the offset at which the last read ended."""

    address: str = ""
    start: int = 0
    content: bytes = field(default=b"", repr=False)
    end: int = -NEAR - 1


class _ThreadState(threading.local):
    """The window of each thread."""

    def __init__(self) -> None:
        self.window = _Window()


_local = _ThreadState()
