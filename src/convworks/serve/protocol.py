"""HTTP connections: how many, how long one may take to ask, or to ask again while the server stops, and how much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from convworks.serve.problems import ProblemError, as_bytes, as_response, busy

#: Seconds for the head of a request, and for a request that was under way when the server stopped accepting.
PATIENCE, LINGER = 15.0, 1.0
#: Bytes of a head, of which those of one piece more may be read, as they are counted piece by piece.
LONGEST_HEAD, PIECE = 64 * 2**10, 16 * 2**10


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answer that there are too many connections, and end this one."""
    problem = busy("server", "has too many connections", 1)
    problem.headers["Connection"] = "close"
    await as_response(scope["path"], problem)(scope, receive, send)


class Connection(HttpToolsProtocol):
    """A connection that is closed when no complete head of a request has come for some seconds, or some KiB."""

    most = 1000
    refusal: Callable[[str], bytes | None]

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._refused = self._last = self._incomplete = False
        self._patience: asyncio.TimerHandle | None = None
        self._unread = 0  # bytes since the last end of a head, part of a body or end of a request

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse one too many."""
        super().connection_made(transport)
        if len(self.connections) > 2 * self.most:
            transport.abort()
        elif len(self.connections) > self.most:
            self.app = refuse
        self._patience = self.loop.call_later(PATIENCE, self.close_if_idle)

    def data_received(self, data: bytes) -> None:
        """Read, and wait for the rest of a request, or for the next one."""
        self._unset_keepalive_if_required()
        for start in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            self._read(data[start : start + PIECE])
        if not self.idle:
            self._stop_waiting()
        elif self._incomplete or self._unread:
            if self._patience is None and not self.transport.is_closing():
                self._patience = self.loop.call_later(PATIENCE, self.close_if_idle)
        elif self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.close_if_idle)

    def _read(self, data: bytes) -> None:
        """Read a piece. The parser keeps what it has of a head, so that this is counted before it gets more."""
        self._unread += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self._refuse(HTTPStatus.BAD_REQUEST, "is not valid HTTP", "send HTTP/1.1")
        if self._unread > LONGEST_HEAD and not self.transport.is_closing():
            reason = f"has a head of more than {LONGEST_HEAD:,} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason, "send a shorter address and fewer headers")

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Read a request again as if it did not ask for another protocol, as HTTP allows, then what follows its head.

        The parser itself takes what follows for that protocol, and would take a body for the next request.
        """
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        self._read(b"\r\n".join([*lines, b"", b""]))
        if rest and not self.transport.is_closing():
            self._read(rest)

    def _refuse(self, status: HTTPStatus, reason: str, remedy: str) -> None:
        """Answer what is wrong with a request and close the connection; after the answer to the one before it."""
        if not self.idle and (self.cycle.response_started or not self.cycle.more_body):
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        problem = ProblemError(status, "request", reason, remedy, headers={"Connection": "close"})
        self.transport.write(as_bytes("", problem))
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._incomplete = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuse a request that there is no room for at once, or let the application answer."""
        self._unread = 0
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise httptools.HttpParserError  # this is no proxy
            return
        if self.idle and not self.expect_100_continue and self.parser.get_method() == b"POST":
            response = self.refusal(self.url.decode("latin-1"))
            if response is not None:
                self._refused, self._last = True, not self.parser.should_keep_alive()
                self.transport.write(response)
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Read, or skip what was refused."""
        self._unread = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Go on with the application, or with the next request."""
        self._unread, self._incomplete = 0, False
        self._stop_waiting()
        if self.parser.should_upgrade():
            return
        if not self._refused:
            super().on_message_complete()
            return
        self._refused = False
        if self._last:
            self.transport.close()
        else:
            self.on_response_complete()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(error)

    def shutdown(self) -> None:
        """Close the connection when the server stops: after the request that is being answered, or is under way."""
        if self.idle:
            self.loop.call_later(LINGER, self.close_if_idle)
        else:
            self.cycle.keep_alive = False

    def close_if_idle(self) -> None:
        """Close the connection, unless a request is being answered."""
        self._patience = None
        if self.idle and not self.transport.is_closing():
            self.transport.close()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
