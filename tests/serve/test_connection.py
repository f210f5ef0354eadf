"""Connections: how long they are kept, whatever becomes of their requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from convworks.serve import protocol
from convworks.serve.problems import as_bytes, busy

#: Seconds: for the rest of a request, and of an idle connection.
PATIENCE, KEPT = 0.4, 2.0
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


async def unread(scope: Any, receive: Any, send: Any) -> None:
    """Answer without reading the body, as a request without a key is answered."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def refuse(path: str) -> bytes:
    return as_bytes(path, busy("x", "full", 1))


def accept(path: str) -> None:
    return None


def connected(refusal: Callable[[str], bytes | None], work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a client do some work over a connection to a server whose waits are short."""
    monkeypatch.setattr(protocol, "PATIENCE", PATIENCE)
    kind = type("Connection", (protocol.Connection,), {"most": 10, "refusal": staticmethod(refusal)})

    async def run() -> None:
        config = uvicorn.Config(unread, http=kind, lifespan="off", log_config=None, timeout_keep_alive=KEPT)
        config.load()
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            with contextlib.closing(writer):
                await asyncio.wait_for(work(reader, writer), 30)

    asyncio.run(run())


@pytest.mark.parametrize(("refusal", "status"), [(refuse, 503), (accept, 401)])
def test_requests_refused_unread_keep_their_connection(
    refusal: Callable[[str], bytes | None], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(8):  # in all, four times as long as the rest of a request is waited for
            parts = [HEAD + b"body"] if number % 2 else [HEAD + b"bo", b"dy"]
            for part in parts:
                writer.write(part)
                await asyncio.sleep(PATIENCE / 8)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % status)
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            await asyncio.sleep(PATIENCE / 2)
        began = asyncio.get_running_loop().time()
        assert await reader.read() == b""
        assert asyncio.get_running_loop().time() - began > KEPT - 2 * PATIENCE

    connected(refusal, work, monkeypatch)


@pytest.mark.parametrize("refusal", [refuse, accept])
@pytest.mark.parametrize("part", [b"", b"\r\n", HEAD[:20], HEAD, HEAD + b"bo", HEAD + b"body" + HEAD[:20]])
def test_the_rest_of_a_request_is_not_waited_for(
    part: bytes, refusal: Callable[[str], bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is that of the body of a request that has been answered already, however often a byte of it comes."""

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(part)
        ended = asyncio.create_task(reader.read())
        began = asyncio.get_running_loop().time()
        if part == HEAD + b"bo":
            await asyncio.sleep(PATIENCE / 2)
            writer.write(b"d")
        await ended
        assert asyncio.get_running_loop().time() - began < KEPT + 1

    connected(refusal, work, monkeypatch)
