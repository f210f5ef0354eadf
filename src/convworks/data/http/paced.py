"""Connections with limits on the size and the slowness of responses."""

from __future__ import annotations

import http.client
import io
import time
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from convworks.data.http.retry import ExcessError, RefusedError

PATIENCE = 2.0  # times the timeout: how long a server may stay below SLOWEST
SLOWEST = 4096  # bytes per second, on average; a modem is faster
FRAMING = 1 << 20  # bytes for headers, besides the body, which chunked encoding at most doubles


def bound(response: BaseHTTPResponse, limit: int) -> None:
    """Allow the body of a response `limit` bytes; without this call, FRAMING limits the whole response."""
    assert isinstance(response.connection, _Connection)
    stream = response.connection.stream
    stream.limit, stream.left = limit, stream.left + 2 * limit


class _Stream(io.RawIOBase):
    """The bytes of a socket, limited in number, silence and slowness.

    Patience, in seconds, is spent by waiting and regained by bytes at the rate SLOWEST, up to its initial value: over
    any such period a server sends SLOWEST bytes per second on average, whatever the size of its response.
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
    """A connection that reads responses, including headers and those of a proxy, through a `_Stream`."""

    stream: _Stream

    def response_class(self, sock: Any, **options: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        response = http.client.HTTPResponse(sock, **options)
        self.stream = _Stream(response.fp.detach(), sock)  # the raw file inside the buffer of makefile()
        response.fp = io.BufferedReader(self.stream)
        return response


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    """Rate-checked connections to one server."""

    ConnectionCls = _Connection


class SecurePool(HTTPSConnectionPool):
    """Rate-checked, encrypted connections to one server."""

    ConnectionCls = _SecureConnection
