"""A worker process as the server sees it: batches in, replies out, and the moment that it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from convworks.errors import ConvworksError, InputError, RunError
from convworks.serve import wire
from convworks.serve.batcher import WorkerEndedError
from convworks.serve.log import log
from convworks.serve.settings import Named, Settings

BUFFER = 2**20  # bytes read ahead from a worker
#: Seconds for a worker to end by itself, and to get ready: it may download weights, convert and measure.
PATIENCE, LONGEST_START = 3.0, 1800.0
LONGEST_LINE = 1000  # characters of a line that is logged


@dataclass(eq=False)
class WorkerProcess:
    """A worker that is ready. `ended` is set when its process is gone, `since` is when it last answered or got work."""

    process: asyncio.subprocess.Process
    writer: asyncio.StreamWriter
    facts: dict[str, Any]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: dict[int, asyncio.Future[wire.Message]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    since: float = 0.0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def computing(self) -> int:
        """The number of batches that it has not answered."""
        return len(self.waiting)

    def compute(self, items: Sequence[dict[str, Any]], pieces: Sequence[bytes]) -> asyncio.Future[wire.Message]:
        """Send a batch; return the future of its replies, which has a WorkerEndedError if the worker ends first."""
        answer: asyncio.Future[wire.Message] = asyncio.get_running_loop().create_future()
        if self.ended.is_set():
            answer.set_exception(WorkerEndedError())
            return answer
        if not self.waiting:
            self.since = time.monotonic()
        number = next(self.numbers)
        self.waiting[number] = answer
        self.writer.writelines(wire.pack({"batch": number, "items": list(items)}, pieces))
        return answer

    async def stop(self) -> None:
        """End the process: by closing its socket, else by a signal."""
        self.writer.close()
        try:
            await asyncio.wait_for(self.process.wait(), PATIENCE)
        except TimeoutError:
            self.kill()
            await self.process.wait()
        await asyncio.gather(*self.tasks)

    def kill(self) -> None:
        """Kill the process."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


async def start(named: Named, settings: Settings, *, busy: bool = False) -> WorkerProcess:
    """Start a worker and wait until it is ready; `busy` says that others compute while it measures.

    Raises the error of one that cannot load its networks, RunError for one that ends without saying why or does not get
    ready, OSError where the system has no room for another process.
    """
    here, there = socket.socketpair()
    try:
        with there:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "convworks.serve.worker", str(there.fileno())),
                pass_fds=[there.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C goes to the server alone
            )
        reader, writer = await asyncio.open_connection(sock=here, limit=BUFFER)
    except BaseException:
        here.close()  # a process that has begun ends with it
        raise
    said = asyncio.create_task(_log_lines(process, named.name))
    limits = settings.limits
    options = {
        "name": named.name,
        "paths": [str(path) for path in named.paths],
        "runtime": settings.runtime,
        "device": settings.device,
        "precision": settings.precision,
        "max_pixels": limits.max_pixels,
        "max_batch": limits.max_batch,
        "busy": busy,
    }
    writer.writelines(wire.pack(options))
    try:
        first = await asyncio.wait_for(wire.read(reader), LONGEST_START)
    except (asyncio.CancelledError, TimeoutError) as error:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        writer.close()
        await process.wait()
        await said
        if isinstance(error, TimeoutError):
            reason = f"its worker was not ready within {LONGEST_START:,.0f} s"
            raise RunError(named.name, reason, "see the lines of the log above") from None
        raise
    if first is None or "error" in first[0]:
        writer.close()
        status = await process.wait()
        await said
        raise _error(named, status, first)
    worker = WorkerProcess(process=process, writer=writer, facts=first[0]["ready"])
    worker.tasks = [said, asyncio.create_task(_listen(worker, reader))]
    return worker


def _error(named: Named, status: int, message: wire.Message | None) -> ConvworksError:
    if message is None:
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return RunError(named.name, f"its worker ended {how} before it was ready", "see the lines of the log above")
    facts = message[0]["error"]
    return (InputError if facts.pop("input") else RunError)(**facts)


async def _listen(worker: WorkerProcess, reader: asyncio.StreamReader) -> None:
    """Hand out replies until the worker ends."""
    try:
        while (message := await wire.read(reader)) is not None:
            answer = worker.waiting.pop(message[0]["batch"])
            worker.since = time.monotonic()
            if not answer.done():
                answer.set_result(message)
    finally:
        worker.ended.set()
        for answer in worker.waiting.values():
            if not answer.done():
                answer.set_exception(WorkerEndedError())
        worker.waiting.clear()
        worker.writer.close()


async def _log_lines(process: asyncio.subprocess.Process, name: str) -> None:
    """Log what the worker prints, which is what libraries say, and the traceback of a bug."""
    assert process.stdout is not None
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:  # longer than the buffer
            continue
        if not line:
            return
        log("worker", model=name, pid=process.pid, line=line.decode(errors="replace").rstrip()[:LONGEST_LINE])
