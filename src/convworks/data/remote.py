"""Parts of files behind http(s) addresses: ranges over connections that stay open, asked again when they break."""

from __future__ import annotations

import atexit
import http.client
import os
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from convworks.data.retry import RefusedError, patiently, refused
from convworks.errors import RunError

TIMEOUT = 30.0  # seconds of silence
ATTEMPTS = 5
PAUSE = 0.5  # seconds before the second attempt; later ones wait longer
AHEAD = 1 << 22  # bytes that are asked for at once where a file is read from front to back
NEAR = 1 << 16  # a gap of up to so many bytes still counts as front to back
REDIRECTS = 5
MOVED = (301, 302, 303, 307, 308)
REMEDY = "check address and connection, or copy the shards to a disk and give their folder"


def read_all(address: str) -> bytes:
    """Return the whole of what is behind an address, or raise RunError."""
    return _patiently(address, None)[0]


def read_range(address: str, offset: int, size: int, *, length: int) -> bytes:
    """Return `size` bytes from `offset` of a file that must have `length` bytes, or raise RunError.

    What follows is fetched with it where a thread reads from front to back.
    """
    window = _mine.window
    if window.address == address and window.start <= offset and offset + size <= window.start + len(window.content):
        window.asked = offset + size
        return window.content[offset - window.start :][:size]
    onward = window.address == address and 0 <= offset - window.asked <= NEAR
    wanted = min(max(size, AHEAD), length - offset) if onward else size
    content, total = _patiently(address, (offset, wanted)) if wanted else (b"", length)
    if total != length:
        raise RunError(address, f"has {total:,} bytes, but {length:,} in its index", "make the index again")
    _mine.window = _Window(address=address, start=offset, content=content, asked=offset + size)
    return content[:size]


def _patiently(address: str, part: tuple[int, int] | None) -> tuple[bytes, int]:
    """Ask as often as is worth it; return the bytes and how long the whole file is."""
    try:
        return patiently(lambda: _ask(address, part), ATTEMPTS, PAUSE)
    except RefusedError as refusal:
        raise RunError(address, f"cannot be read ({refusal})", REMEDY) from None


def close() -> None:
    """Close the connections that wait for the next request; a later one opens others."""
    with _lock:
        kept = [connection for group in _idle.values() for connection in group]
        _idle.clear()
    for connection in kept:
        connection.close()


def _ask(address: str, part: tuple[int, int] | None) -> tuple[bytes, int]:
    """Ask once, wherever the server sends us."""
    headers = {"User-Agent": "convworks"}
    if part is not None:
        headers["Range"] = f"bytes={part[0]}-{sum(part) - 1}"
    for _ in range(REDIRECTS + 1):
        try:
            with _answered(urlsplit(address), headers) as answer:
                if answer.status not in MOVED:
                    return _take(answer, part)
                answer.read()
                address = urljoin(address, answer.headers.get("Location", ""))
        except (http.client.InvalidURL, ValueError) as error:
            raise RefusedError(str(error), passing=False) from None
        except (http.client.HTTPException, OSError) as error:
            raise RefusedError(str(error) or type(error).__name__, passing=True) from None
    raise RefusedError(f"it was moved more than {REDIRECTS} times", passing=False)


def _take(answer: http.client.HTTPResponse, part: tuple[int, int] | None) -> tuple[bytes, int]:
    """Read an answer and check that it is the part that was asked for."""
    if answer.status not in (200, 206):
        raise refused(answer.status, answer.reason)
    if part is None:
        content = answer.read()
        return content, len(content)
    if answer.status == 200:
        raise RefusedError("the server gives whole files alone, no ranges of them", passing=False)
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != part[0]:
        raise RefusedError("it answered with another range", passing=True)
    content = answer.read()
    if len(content) != part[1] and sum(part) <= int(found[3]):
        raise RefusedError(f"it ended after {len(content)} of {part[1]} bytes", passing=True)
    return content, int(found[3])


@contextmanager
def _answered(place: SplitResult, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    """Ask over an open connection that nobody uses, or a new one; it is kept where its answer is read to the end."""
    if place.scheme not in ("http", "https") or not place.hostname:
        raise ValueError(f"{place.geturl()!r} is no http(s) address")
    proxies = {} if urllib.request.proxy_bypass(place.hostname) else urllib.request.getproxies()
    proxy = urlsplit(proxies.get(place.scheme, ""))
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    if proxy.hostname and place.scheme == "http":
        target = f"http://{place.netloc}{target}"
    # A forked child must not talk over its parent's connections.
    server = (os.getpid(), place.scheme, place.netloc, proxy.netloc)
    with _lock:
        connection = _idle[server].pop() if _idle.get(server) else None
    kept, answer = connection is not None, None
    if connection is None:
        connection = _connect(place, proxy)
    try:
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            if not kept or isinstance(error, TimeoutError):
                raise
            connection.request("GET", target, headers=headers)  # the server had closed it meanwhile: it opens again
            answer = connection.getresponse()
        yield answer
    finally:
        if answer is not None and answer.isclosed() and connection.sock is not None:
            with _lock:
                _idle.setdefault(server, []).append(connection)
        else:  # what is left of an answer that nobody reads must not be taken for the next one
            if answer is not None:
                answer.close()
            connection.close()


def _connect(place: SplitResult, proxy: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    host, port = (proxy.hostname, proxy.port) if proxy.hostname else (place.hostname, place.port)
    connection = kind(str(host), port, timeout=TIMEOUT)
    if proxy.hostname and place.scheme == "https":
        connection.set_tunnel(str(place.hostname), place.port)
    return connection


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
_lock = threading.Lock()
_idle: dict[tuple[int, str, str, str], list[http.client.HTTPConnection]] = {}
atexit.register(close)
