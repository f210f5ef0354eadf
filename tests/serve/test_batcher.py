"""Batches: what is computed together, what is refused, what is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from convworks.serve.batcher import Batcher, BusyError, Job, WorkerEndedError
from convworks.serve.wire import Message


class Hand:
    """A worker whose batches are answered by hand."""

    def __init__(self, max_batch: int = 4, seconds: float = 0.4) -> None:
        self.facts = {"max_batch": max_batch, "seconds": seconds}
        self.open: list[asyncio.Future[Message]] = []
        self.batches: list[list[int]] = []

    @property
    def computing(self) -> int:
        return len(self.open)

    def compute(self, items: Sequence[dict[str, Any]], pieces: Sequence[bytes]) -> asyncio.Future[Message]:
        self.batches.append([item["n"] for item in items])
        self.open.append(asyncio.get_running_loop().create_future())
        return self.open[-1]

    async def answer(self, seconds: float = 0.4) -> None:
        """Answer the oldest batch."""
        replies = [{"count": 0, "n": n} for n in self.batches[len(self.batches) - len(self.open)]]
        self.open.pop(0).set_result(({"seconds": seconds, "replies": replies}, []))
        await asyncio.sleep(0)
        await asyncio.sleep(0)


class Line:
    """A batcher before a worker answered by hand, and its jobs by number."""

    def __init__(self, worker: Hand | None = None, **options: Any) -> None:
        self.batcher = Batcher(**{"queue": 100, "delay": 0.0, "deadline": 10.0} | options)
        self.worker = worker or Hand()
        self.batcher.use(self.worker)
        self.jobs: list[Job] = []

    def submit(self, count: int = 1) -> Job:
        answer = asyncio.get_running_loop().create_future()
        job = Job(item={"n": len(self.jobs)}, pieces=[b"x" * count], count=count, answer=answer)
        self.batcher.submit(job)
        self.jobs.append(job)
        return job


def test_what_comes_while_a_worker_computes_is_computed_together() -> None:
    async def work() -> None:
        line = Line()
        for count in (1, 1, 2, 1, 1):
            line.submit(count)
        # A full batch is sent ahead, to be decoded; what is left gathers.
        assert line.worker.batches == [[0], [1, 2, 3]]
        await line.worker.answer()
        assert line.worker.batches == [[0], [1, 2, 3]]
        await line.worker.answer()
        assert line.worker.batches[2:] == [[4]]
        await line.worker.answer()
        assert [job.answer.result().header["n"] for job in line.jobs] == [0, 1, 2, 3, 4]
        assert (line.batcher.images, line.batcher.sent, line.batcher.waiting) == (0, 0, {})

    asyncio.run(work())


def test_the_images_of_a_request_stay_together() -> None:
    async def work() -> None:
        line = Line()
        for count in (1, 3, 2, 9):
            line.submit(count)
        for _ in range(3):
            await line.worker.answer()
        assert line.worker.batches == [[0], [1], [2], [3]]

    asyncio.run(work())


def test_an_idle_worker_waits_for_others_no_longer_than_the_delay() -> None:
    async def work() -> None:
        line = Line(delay=0.02)
        line.submit()
        line.submit()
        assert line.worker.batches == []
        await asyncio.sleep(0.04)
        assert line.worker.batches == [[0, 1]]
        await line.worker.answer()
        for _ in range(4):
            line.submit()
        assert line.worker.batches[1:] == [[2, 3, 4, 5]]

    asyncio.run(work())


def test_a_full_queue_and_one_too_slow_for_the_deadline_refuse() -> None:
    async def work() -> None:
        line = Line(queue=6)
        line.submit()
        for _ in range(2):
            line.submit(3)  # ahead
        line.submit(3)
        with pytest.raises(BusyError) as refused:
            line.submit(3)
        assert refused.value.seconds == 1
        slow = Line(Hand(seconds=4.0))  # one second an image
        for count in (1, 1, 1, 1, 1):
            slow.submit(count)
        with pytest.raises(BusyError) as refused:
            slow.submit(9)
        assert refused.value.seconds == 5
        slow.submit(3)

    asyncio.run(work())


def test_the_expected_time_follows_what_is_measured() -> None:
    async def work() -> None:
        line = Line()
        assert line.batcher.image_seconds == pytest.approx(0.1)
        for _ in range(40):
            line.submit(4)
            await line.worker.answer(2.0)
        assert line.batcher.image_seconds == pytest.approx(0.5, rel=0.01)
        line.submit(4)
        assert line.batcher.expected == pytest.approx(2.0, rel=0.01)

    asyncio.run(work())


def test_what_nobody_waits_for_is_dropped() -> None:
    async def work() -> None:
        line = Line()
        line.submit()
        waiting = [line.submit() for _ in range(3)]
        for job in waiting[:2]:
            line.batcher.drop(job)
            assert job.pieces == []
        assert line.batcher.images == 1
        await line.worker.answer()
        assert line.worker.batches == [[0], [3]]
        line.batcher.drop(line.jobs[3])  # computed in vain
        line.jobs[3].answer.cancel()
        await line.worker.answer()
        assert line.batcher.sent == 0

    asyncio.run(work())


def test_a_worker_that_dies_fails_its_batches_and_the_next_gets_the_rest() -> None:
    async def work() -> None:
        line = Line()
        jobs = [line.submit() for _ in range(2)]
        line.batcher.use(None)
        line.worker.open.pop().set_exception(WorkerEndedError())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(WorkerEndedError):
            jobs[0].answer.result()
        assert not jobs[1].answer.done()
        line.batcher.use(line.worker)
        await line.worker.answer()
        assert jobs[1].answer.result().batch == 1

    asyncio.run(work())
