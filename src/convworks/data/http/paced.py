"""Answers of servers that neither swell nor trickle."""

from __future__ import annotations

import http.client
import io
import time
from typing import Any

from convworks.data.http.retry import RefusedError

PATIENCE = 2.0  # times the timeout: so long a server may send less than SLOWEST
SLOWEST = 4096  # bytes a second, in the mean; a modem sends more
FRAMING = 1 << 20  # bytes that headers may take besides the body, which chunks at most double


class Answer(http.client.HTTPResponse):
    """An answer all of whose bytes, headers included, are read through `_Paced`: `limit` is that of its body."""

    def __init__(self, sock: Any, *args: Any, limit: int, timeout: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw = self.fp.detach()  # the buffer that makefile() makes
        self.fp = io.BufferedReader(_Paced(raw, sock, limit, timeout))


class _Paced(io.RawIOBase):
    """The bytes of a socket: no more than a limit, no long silence, no trickle.

    Waiting spends patience, bytes earn it again at SLOWEST, up to what there was at first: in any stretch of that
    many seconds a server sends SLOWEST bytes a second in the mean, whatever the size of its answer.
    """

    def __init__(self, raw: io.RawIOBase, sock: Any, limit: int, timeout: float) -> None:
        self._raw, self._socket, self._timeout = raw, sock, timeout
        self._limit, self._left = limit, 2 * limit + FRAMING
        self._patience = PATIENCE * timeout

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
            if self._patience < self._timeout:
                raise self._slow() from None
            raise
        self._patience += (count or 0) / SLOWEST - (time.monotonic() - start)
        self._patience = min(self._patience, PATIENCE * self._timeout)
        self._left -= count or 0
        if self._patience <= 0:
            raise self._slow()
        if self._left < 0:
            raise ExcessError(self._limit)
        return count

    def _slow(self) -> TimeoutError:
        return TimeoutError(f"it sends less than {SLOWEST:,} bytes a second")

    def close(self) -> None:
        self._raw.close()
        super().close()


class ExcessError(RefusedError):
    """An answer is longer than what was asked for."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it sends more than {limit:,} bytes", passing=False)
