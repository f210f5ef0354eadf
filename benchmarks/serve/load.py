"""Requests to a server over HTTP/1.1: as fast as it answers (closed loop), or at a rate that does not care (open loop).

Latencies of the open loop count from the moment at which a request was due, so that a slow server does not hide its
slowness by being asked less often.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

MOST = 1500  # connections: more than the server accepts


@dataclass
class Tally:
    """What came back: statuses, and for answers the time that they came and their latency."""

    statuses: Counter[str] = field(default_factory=Counter)
    good: list[tuple[float, float]] = field(default_factory=list)

    def add(self, status: int | str, due: float) -> None:
        now = time.perf_counter()
        self.statuses[str(status)] += 1
        if status == 200:
            self.good.append((now, now - due))

    def percentile(self, share: float) -> float:
        """Return the latency that this share of answers did not exceed, in seconds."""
        latencies = sorted(latency for _, latency in self.good)
        return latencies[min(len(latencies) - 1, int(share * len(latencies)))] if latencies else float("nan")


class Client(asyncio.Protocol):
    """A connection that waits for one answer at a time."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.answer: asyncio.Future[int] | None = None
        self.usable = True

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self, request: bytes) -> asyncio.Future[int]:
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).lower()
        at = head.find(b"\r\ncontent-length:")
        size = int(head[at + 17 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + size:
            return
        del self.buffer[: end + 4 + size]
        if b"connection: close" in head:
            self.usable = False
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError())


class Pool:
    """Connections to one address, opened as they are needed and used again."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.free: deque[Client] = deque()
        self.count = 0

    async def ask(self, request: bytes, due: float, tally: Tally) -> None:
        client: Client | None = None
        while self.free and client is None:
            client = self.free.pop()
            if not client.usable:
                client, self.count = None, self.count - 1
        try:
            if client is None:
                if self.count >= MOST:
                    tally.add("no connection", due)
                    return
                self.count += 1
                _, client = await asyncio.get_running_loop().create_connection(Client, self.host, self.port)
            tally.add(await client.send(request), due)
        except OSError:
            tally.add("connection lost", due)
        if client is not None and client.usable:
            self.free.append(client)
        else:
            self.count -= 1

    def close(self) -> None:
        for client in self.free:
            client.transport.close()


async def closed(host: str, port: int, requests: list[bytes], *, clients: int, seconds: float) -> Tally:
    """Let some clients ask again as soon as they are answered."""
    pool, tally = Pool(host, port), Tally()
    end = time.perf_counter() + seconds

    async def repeat(number: int) -> None:
        while (now := time.perf_counter()) < end:
            await pool.ask(requests[number % len(requests)], now, tally)
            number += clients

    await asyncio.gather(*(repeat(number) for number in range(clients)))
    pool.close()
    return tally


async def opened(host: str, port: int, requests: list[bytes], *, rate: float, seconds: float, seed: int = 0) -> Tally:
    """Ask at random moments, `rate` times a second on average, whatever is answered."""
    pool, tally, draw = Pool(host, port), Tally(), random.Random(seed)
    tasks: set[asyncio.Task[None]] = set()
    due = began = time.perf_counter()
    number = 0
    while due < began + seconds:
        wait = due - time.perf_counter()
        if wait > 0.0005 or number % 64 == 0:
            await asyncio.sleep(max(0.0, wait))
        task = asyncio.create_task(pool.ask(requests[number % len(requests)], due, tally))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
        due += draw.expovariate(rate)
    await asyncio.gather(*tasks)
    pool.close()
    return tally


def request(host: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
