"""HTTP connections: how many, and how long one may take to ask, or to ask again while the server stops."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from convworks.serve.problems import as_response, busy

#: Seconds for the head of a request, and for a request that was under way when the server stopped accepting.
PATIENCE, LINGER = 15.0, 1.0


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answer that there are too many connections, and end this one."""
    problem = busy("server", "has too many connections", 1)
    problem.headers["Connection"] = "close"
    await as_response(scope["path"], problem)(scope, receive, send)


class Connection(HttpToolsProtocol):
    """A connection that is closed when no complete head of a request has come for some seconds."""

    most = 1000

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._patience: asyncio.TimerHandle | None = None

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
        """Read, and wait for the rest of a head."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self.idle:
            self._stop_waiting()
        elif self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(PATIENCE, self.close_if_idle)

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
