"""Dynamic batching: requests wait in a bounded queue until a worker is free, and are computed together."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from convworks.serve.wire import Message

#: Share of the deadline that a request may be expected to wait; the rest is for what the expectation gets wrong.
HOPEFUL = 0.8
#: Weight of a full batch in the running mean of the time that an image takes.
WEIGHT = 0.2
#: Batches that a worker has at a time: one is decoded while another is computed.
AHEAD = 2


class WorkerEndedError(Exception):
    """The worker ended before it answered."""


@runtime_checkable
class Worker(Protocol):
    """What computes batches."""

    @property
    def facts(self) -> dict[str, Any]:
        """The facts about the networks (compute.py), and the seconds of a full batch."""

    @property
    def computing(self) -> int:
        """The number of batches that it has not answered."""

    def compute(self, items: Sequence[dict[str, Any]], pieces: Sequence[bytes]) -> asyncio.Future[Message]:
        """Send it a batch; return the future of the replies, which has a WorkerEndedError if it ends first."""


class BusyError(Exception):
    """More waits than can be answered in time; `seconds` from now there should be room."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = max(1, math.ceil(seconds))


@dataclass(eq=False, kw_only=True)
class Job:
    """A request that waits for its answer: an item (compute.py) as plain values, with its bytes."""

    item: dict[str, Any]
    pieces: list[bytes]
    count: int
    answer: asyncio.Future[Answer]
    arrived: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The reply of a worker, the facts about the network that computed it, and how it was computed."""

    header: dict[str, Any]
    pieces: list[bytes]
    facts: dict[str, Any]
    batch: int
    waited: float
    computed: float


class Batcher:
    """The queue before the workers of one name.

    A worker without work gets what waits, at the latest `delay` seconds after the first of it came; while it computes,
    the rest gathers, and it gets the next batch early if that is full. Images of one request are computed together.
    """

    def __init__(
        self, *, queue: int, delay: float, deadline: float, observe: Callable[[int, float], None] = lambda n, s: None
    ) -> None:
        self.queue, self.delay, self.deadline, self.observe = queue, delay, deadline, observe
        self.worker: Worker | None = None
        self.waiting: dict[Job, None] = {}  # in order
        self.images = 0  # that wait
        self.sent = 0  # images that are with workers
        self.image_seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def expected(self) -> float:
        """The seconds until what waits now will have been computed."""
        return (self.images + self.sent) * self.image_seconds

    def use(self, worker: Worker | None) -> None:
        """Compute with this worker from now on; the one before finishes what it has."""
        self.worker = worker
        if worker is not None:
            self.image_seconds = worker.facts["seconds"] / worker.facts["max_batch"]
            self._pump()

    def check(self, count: int = 1) -> None:
        """Raise BusyError if the queue is too full for so many images, or too slow for the deadline."""
        wait = self.expected
        late = wait + count * self.image_seconds > HOPEFUL * self.deadline
        if (self.waiting or self.sent) and (self.images + count > self.queue or late):
            raise BusyError(wait)

    def submit(self, job: Job) -> None:
        """Let a job wait; raises BusyError."""
        self.check(job.count)
        self.waiting[job] = None
        self.images += job.count
        self._pump()

    def drop(self, job: Job) -> None:
        """Forget a job that nobody waits for; one that is being computed is computed in vain."""
        if job in self.waiting:
            del self.waiting[job]
            self.images -= job.count
        job.pieces = []

    def _pump(self) -> None:
        """Send batches while there is a worker for them."""
        while self.worker is not None and self.waiting and self.worker.computing < AHEAD:
            size = self.worker.facts["max_batch"]
            if self.images < size:
                if self.worker.computing:
                    return
                rest = next(iter(self.waiting)).arrived + self.delay - time.monotonic()
                if rest > 0:
                    if self._timer is None:
                        self._timer = asyncio.get_running_loop().call_later(rest, self._time_out)
                    return
            self._send(self.worker, self._take(size))

    def _time_out(self) -> None:
        self._timer = None
        self._pump()

    def _take(self, size: int) -> list[Job]:
        """Remove the jobs of the next batch from the queue: at most `size` images, or one job."""
        jobs: list[Job] = []
        for job in list(self.waiting):
            if jobs and size < job.count:
                break
            size -= job.count
            del self.waiting[job]
            self.images -= job.count
            jobs.append(job)
            if size <= 0:
                break
        return jobs

    def _send(self, worker: Worker, jobs: list[Job]) -> None:
        count = sum(job.count for job in jobs)
        self.sent += count
        began = time.monotonic()
        answer = worker.compute([job.item for job in jobs], [piece for job in jobs for piece in job.pieces])
        for job in jobs:
            job.pieces = []

        def finish(message: asyncio.Future[Any]) -> None:
            self.sent -= count
            self._hand_out(worker, jobs, message, began)
            self._pump()

        answer.add_done_callback(finish)

    def _hand_out(self, worker: Worker, jobs: list[Job], message: asyncio.Future[Any], began: float) -> None:
        if message.cancelled() or message.exception() is not None:
            for job in jobs:
                if not job.answer.done():
                    job.answer.set_exception(WorkerEndedError())
            return
        header, pieces = message.result()
        count, seconds = sum(job.count for job in jobs), header["seconds"]
        weight = WEIGHT * min(1.0, count / worker.facts["max_batch"])
        self.image_seconds += weight * (seconds / count - self.image_seconds)
        self.observe(count, seconds)
        at = 0
        for job, reply in zip(jobs, header["replies"], strict=True):
            its = pieces[at : at + reply["count"]]
            at += reply["count"]
            if not job.answer.done():
                waited = began - job.arrived
                job.answer.set_result(
                    Answer(header=reply, pieces=its, facts=worker.facts, batch=count, waited=waited, computed=seconds)
                )
