"""Connections whose answers neither swell nor trickle."""

from __future__ import annotations

import http.client
import io
import time
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from convworks.data.http.retry import ExcessError, RefusedError

PATIENCE = 2.0  # times the timeout: so long a server may send less than SLOWEST
SLOWEST = 4096  # bytes a second, in the mean; a modem sends more
FRAMING = 1 << 20  # bytes that headers may take besides the body, which chunks at most double


def bound(answer: BaseHTTPResponse, limit: int) -> None:
    """Let the body of an answer have `limit` bytes; without it, nothing may follow the headers for long."""
    assert isinstance(answer.connection, _Connection)
    stream = answer.connection.stream
    stream.limit, stream.left = limit, stream.left + 2 * limit


class _Stream(io.RawIOBase):
    """The bytes of a socket: no more than a limit, no long silence, no trickle.

    Waiting spends patience, bytes earn it again at SLOWEST, up to what there was at first: in any stretch of that
    many seconds a server sends SLOWEST bytes a second in the mean, whatever the size of its answer.
    """

    def __init__(self, raw: io.RawIOBase, sock: Any) -> None:
        self._raw, self._socket, self._timeout = raw, sock, sock.gettimeout()
        self.limit = self.left = FRAMING
        self._patience = PATIENCE * self._timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        wait = max(min(self._timeout, self._patience), 1e-3)
        if self._socket.gettimeout() != wait:
            self._socket.settimeout(wait)
        start = time.monotonic()
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            if self._patience >= self._timeout:
                raise
            count = None
        self._patience += (count or 0) / SLOWEST - (time.monotonic() - start)
        self._patience = min(self._patience, PATIENCE * self._timeout)
        self.left -= count or 0
        if count is None or self._patience <= 0:
            raise RefusedError(f"it sends less than {SLOWEST:,} bytes a second", passing=True)
        if self.left < 0:
            raise ExcessError(self.limit)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Connection(HTTPConnection):
    """A connection that reads its answers, headers included, and those of a proxy through a `_Stream`."""

    stream: _Stream

    def response_class(self, sock: Any, **options: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        answer = http.client.HTTPResponse(sock, **options)
        self.stream = _Stream(answer.fp.detach(), sock)  # the raw file in the buffer that makefile() makes
        answer.fp = io.BufferedReader(self.stream)
        return answer


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    """Paced connections to one server."""

    ConnectionCls = _Connection


class SecurePool(HTTPSConnectionPool):
    """Paced connections to one server, encrypted."""

    ConnectionCls = _SecureConnection
