"""Files behind http(s) addresses: whole, or by ranges, asked again when they break."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from convworks.data.http.retry import RefusedError, refused, with_retries
from convworks.errors import RunError

ATTEMPTS = 5
PAUSE = 0.5  # seconds before the second attempt; later ones wait longer
AHEAD = 1 << 22  # bytes that are asked for at once where a file is read from front to back
NEAR = 1 << 16  # a gap of up to so many bytes still counts as front to back
LARGEST = 1 << 30  # bytes of one image file
RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
REMEDY = "check address and connection, or copy the shards to a disk and give their folder"


def read_all(address: str, *, limit: int) -> bytes:
    """Return the whole of what is behind an address, or raise RunError; so too where it has more than `limit` bytes."""
    return _with_retries(address, None, limit)[0]


def read_range(address: str, offset: int, size: int, *, length: int) -> bytes:
    """Return `size` bytes from `offset` of a file that must have `length` bytes, or raise RunError.

    What follows is fetched with it where a thread reads from front to back.
    """
    window = _mine.window
    if window.address == address and window.start <= offset and offset + size <= window.start + len(window.content):
        window.asked = offset + size
        return window.content[offset - window.start :][:size]
    onward = window.address == address and 0 <= offset - window.asked <= NEAR
    if size > LARGEST:
        raise RunError(address, f"lists a file of {size:,} bytes, more than any image has", "make the index again")
    wanted = min(max(size, AHEAD), length - offset) if onward else size
    content, total = _with_retries(address, (offset, wanted), wanted) if wanted else (b"", length)
    if total != length:
        raise RunError(address, f"has {total:,} bytes, but {length:,} in its index", "make the index again")
    _mine.window = _Window(address=address, start=offset, content=content, asked=offset + size)
    return content[:size]


def _with_retries(address: str, part: tuple[int, int] | None, limit: int) -> tuple[bytes, int]:
    """Ask as often as is worth it; return the bytes and how long the whole file is."""
    try:
        return with_retries(lambda: _ask(address, part, limit), ATTEMPTS, PAUSE)
    except RefusedError as refusal:
        raise RunError(address, f"cannot be read ({refusal})", REMEDY) from None


def _ask(address: str, part: tuple[int, int] | None, limit: int) -> tuple[bytes, int]:
    """Ask once, and check that the answer is what was asked for."""
    from convworks.data.http.web import get, pieces  # urllib3 is slow to import, and seldom needed

    headers = {"Range": f"bytes={part[0]}-{sum(part) - 1}"} if part is not None else {}
    with get(address, headers, limit=limit) as answer:
        if answer.status not in (200, 206):
            raise refused(answer.status, answer.reason)
        if part is None:
            content = b"".join(pieces(answer, limit))
            return content, len(content)
        if answer.status == 200:
            raise RefusedError("the server gives whole files alone, no ranges of them", passing=False)
        match = RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
        if match is None or int(match[1]) != part[0]:
            raise RefusedError("it answered with another range", passing=True)
        content = b"".join(pieces(answer, part[1]))
        if len(content) != part[1] and sum(part) <= int(match[2]):
            raise RefusedError(f"it ended after {len(content)} of {part[1]} bytes", passing=True)
        return content, int(match[2])


@dataclass(kw_only=True)
class _Window:
    """What was fetched last: bytes of a file from `start` on, and where the last read of them ended."""

    address: str = ""
    start: int = 0
    content: bytes = field(default=b"", repr=False)
    asked: int = -NEAR - 1


class _Mine(threading.local):
    """What each thread keeps to itself."""

    def __init__(self) -> None:
        self.window = _Window()


_mine = _Mine()
