"""The networks of one name in service: their queue, their worker, which is replaced when it dies, and new bundles."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from convworks.errors import ConvworksError
from convworks.serve.background import Background
from convworks.serve.batcher import Batcher, Job
from convworks.serve.log import log
from convworks.serve.metrics import Metrics
from convworks.serve.process import WorkerProcess, start
from convworks.serve.settings import Named, Settings, check_bundles
from convworks.serve.state import State, state_of

#: Why no worker is ready, in words that go on after the name of a model.
STARTING, REPLACING, FAILING = "is starting", "lost its worker and is starting another", "could not start a worker yet"
#: Seconds: between looks at the bundles, without an answer until a worker counts as stuck, between attempts to start.
LOOK, STUCK, FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0, 0.5, 30.0


class UnavailableError(Exception):
    """No worker is ready; `seconds` from now one should be."""

    seconds = 3


class Model:
    """The networks of one name.

    `turn` is shared by all models of a server: one loads at a time, as loading may measure runtimes. Only a worker that
    has died is replaced out of turn.
    """

    def __init__(self, named: Named, settings: Settings, metrics: Metrics, turn: asyncio.Lock) -> None:
        self.named, self.settings, self.metrics = named, settings, metrics
        limits = settings.limits
        self.batcher = Batcher(queue=limits.queue, delay=limits.delay, deadline=limits.deadline, observe=self._observe)
        self.worker: WorkerProcess | None = None
        self.loaded: State = ()  # of the files that are in service
        self.refused: State = ()  # of files that could not be loaded
        self.lacks = STARTING  # what to say while no worker is ready
        self.background = Background()
        self._retiring: set[WorkerProcess] = set()
        self._kind: tuple[str, list[str]] | None = None  # task and classes of the last worker
        self._turn, self._loading = turn, asyncio.Lock()
        metrics.watch(named.name, self.batcher)

    @property
    def name(self) -> str:
        """The name."""
        return self.named.name

    @property
    def facts(self) -> dict[str, Any] | None:
        """The facts about the networks; None while no worker is ready."""
        worker = self.batcher.worker
        return None if worker is None else worker.facts

    async def begin(self) -> None:
        """Start the first worker, whose turn it is; raises its error if that fails."""
        async with self._loading:
            await self._start(busy=False)
        self.background.start(self._watch_workers())
        if self.settings.watch:
            self.background.start(self._watch_files())

    async def end(self) -> None:
        """Stop everything."""
        await self.background.end()
        workers = self._retiring | ({self.worker} if self.worker is not None else set())
        self.worker = None
        self.batcher.use(None)
        await asyncio.gather(*(worker.stop() for worker in workers))

    def submit(self, item: dict[str, Any], pieces: list[bytes], count: int) -> Job:
        """Let a request wait for its answer; raises BusyError, and UnavailableError without a worker."""
        if self.batcher.worker is None:
            raise UnavailableError
        job = Job(item=item, pieces=pieces, count=count, answer=asyncio.get_running_loop().create_future())
        self.batcher.submit(job)
        return job

    async def reload(self) -> None:
        """Load the networks again unless their files are those in service; the log says what came of it.

        If that fails, the worker there is stays. Requests are answered all the while; each by one of both.
        """
        async with self._turn, self._loading:
            if state_of(self.named) == self.loaded:
                log("unchanged", model=self.name)
            else:
                await self._reload()

    async def _reload(self) -> None:
        state, before = state_of(self.named), self.worker
        try:
            check_bundles(self.named)
            await self._start(busy=True)
        except (ConvworksError, OSError) as error:
            self.metrics.reloads.labels(self.name, "failed").inc()
            if isinstance(error, ConvworksError):  # not the system's, which may have room for a process later
                self.refused = state
            log("reload failed", model=self.name, error=str(error), version=(self.facts or {}).get("version"))
            return
        self.metrics.reloads.labels(self.name, "done").inc()
        if before is not None and not before.ended.is_set():
            self._retiring.add(before)
            self.background.start(self._retire(before))

    async def _start(self, *, busy: bool) -> None:
        """Start a worker and use it from now on; raises its error, OSError where the system has no room for it."""
        state = state_of(self.named)
        worker = await start(self.named, self.settings, busy=busy)
        self.worker, self.loaded = worker, state
        self.batcher.use(worker)
        facts = {
            name: worker.facts[name] for name in ("version", "runtime", "precision", "why", "max_batch", "seconds")
        }
        log("worker ready", model=self.name, pid=worker.process.pid, **facts)
        self._say_what_changed(worker)
        self.background.start(self._replace_when_it_ends(worker))

    def _say_what_changed(self, worker: WorkerProcess) -> None:
        """Log another task, or other classes, than those of the worker before: clients may rely on them."""
        before, kind = self._kind, (worker.facts["task"], worker.facts["classes"])
        self._kind = kind
        if before is None or before == kind:
            return
        if before[0] != kind[0]:
            log("task changed", model=self.name, before=before[0], after=kind[0])
        if before[1] != kind[1]:
            log("classes changed", model=self.name, before=len(before[1]), after=len(kind[1]))

    async def _replace_when_it_ends(self, worker: WorkerProcess) -> None:
        """Start another worker when the current one has died."""
        await worker.ended.wait()
        if self.worker is not worker:
            return
        self.worker, self.lacks = None, REPLACING
        self.batcher.use(None)
        status = await worker.process.wait()
        self.metrics.deaths.labels(self.name).inc()
        log("worker died", model=self.name, pid=worker.process.pid, status=status)
        pause = FIRST_PAUSE
        while self.worker is None:
            try:
                async with self._loading:
                    if self.worker is None:
                        await self._start(busy=True)
            except (ConvworksError, OSError) as error:
                self.lacks = FAILING
                log("worker failed", model=self.name, error=str(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _retire(self, worker: WorkerProcess) -> None:
        """Stop a worker that gets no more batches, once it has answered those that it has, or is stuck."""
        while worker.computing and not worker.ended.is_set():
            self._kill_if_stuck(worker)
            await asyncio.sleep(0.01)
        await worker.stop()
        self._retiring.discard(worker)

    async def _watch_workers(self) -> None:
        """Look for a worker that is stuck."""
        while True:
            await asyncio.sleep(LOOK)
            if self.worker is not None:
                self._kill_if_stuck(self.worker)

    async def _watch_files(self) -> None:
        """Look for files that have been replaced, and load them once they have not changed between two looks."""
        last = self.loaded
        while True:
            await asyncio.sleep(LOOK)
            state = state_of(self.named)
            if state == last and state not in (self.loaded, self.refused):
                async with self._turn, self._loading:
                    if state_of(self.named) not in (self.loaded, self.refused):
                        await self._reload()
            last = state

    def _kill_if_stuck(self, worker: WorkerProcess) -> None:
        if worker.computing and time.monotonic() - worker.since > STUCK:
            log("worker stuck", model=self.name, pid=worker.process.pid, seconds=STUCK)
            worker.kill()

    def _observe(self, count: int, seconds: float) -> None:
        self.metrics.batches.labels(self.name).observe(count)
        self.metrics.computing.labels(self.name).observe(seconds)
