"""The networks of one name in service: their queue, their worker, which is replaced when it dies, and new bundles."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from convworks.bundle.description import NAME as DESCRIPTION
from convworks.bundle.description import folder_of, identity
from convworks.errors import ConvworksError
from convworks.serve.batcher import Batcher, Job
from convworks.serve.log import log
from convworks.serve.metrics import Metrics
from convworks.serve.process import WorkerProcess, start
from convworks.serve.settings import Named, Settings, check_bundles

#: Seconds: between looks at the bundles, without an answer until a worker counts as stuck, between attempts to start.
LOOK, STUCK, FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0, 0.5, 30.0


class UnavailableError(Exception):
    """No worker is ready; `seconds` from now one should be."""

    seconds = 3


class Model:
    """The networks of one name."""

    def __init__(self, named: Named, settings: Settings, metrics: Metrics) -> None:
        self.named, self.settings, self.metrics = named, settings, metrics
        limits = settings.limits
        self.batcher = Batcher(queue=limits.queue, delay=limits.delay, deadline=limits.deadline, observe=self._observe)
        self.worker: WorkerProcess | None = None
        self.identities: list[tuple[int, ...]] = []  # of what is in service
        self.refused: list[tuple[int, ...]] = []  # of what could not be loaded
        self.failure: BaseException | None = None  # a bug in what goes on in the background
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loading = asyncio.Lock()
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
        """Start the first worker; raises its error if that fails."""
        await self._start()
        self._keep(self._watch())

    async def end(self) -> None:
        """Stop everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        worker, self.worker = self.worker, None
        self.batcher.use(None)
        if worker is not None:
            await worker.stop()

    def submit(self, item: dict[str, Any], pieces: list[bytes], count: int) -> Job:
        """Let a request wait for its answer; raises BusyError, and UnavailableError without a worker."""
        if self.batcher.worker is None:
            raise UnavailableError
        job = Job(item=item, pieces=pieces, count=count, answer=asyncio.get_running_loop().create_future())
        self.batcher.submit(job)
        return job

    async def reload(self, *, changed_only: bool = False) -> None:
        """Replace the worker by one that has loaded the bundles anew; if that fails, the one there is stays.

        Requests are answered all the while; each by one of both.
        """
        async with self._loading:
            identities = self._look()
            if changed_only and identities in (self.identities, self.refused):
                return
            before = self.worker
            try:
                check_bundles(self.named)
                await self._start()
            except (ConvworksError, OSError) as error:
                self.metrics.reloads.labels(self.name, "failed").inc()
                if isinstance(error, ConvworksError):  # not the system's, which may have room for a process later
                    self.refused = identities  # it is tried again when the bundle has changed again
                log("reload failed", model=self.name, error=str(error))
                return
            self.metrics.reloads.labels(self.name, "done").inc()
            if before is not None and not before.ended.is_set():
                self._keep(self._retire(before))

    async def _start(self) -> None:
        """Start a worker and use it from now on; raises its error, OSError where the system has no room for it."""
        identities = self._look()
        worker = await start(self.named, self.settings)
        self.worker, self.identities = worker, identities
        self.batcher.use(worker)
        facts = {
            name: worker.facts[name] for name in ("version", "runtime", "precision", "why", "max_batch", "seconds")
        }
        log("worker ready", model=self.name, pid=worker.process.pid, **facts)
        self._keep(self._replace_when_it_ends(worker))

    async def _replace_when_it_ends(self, worker: WorkerProcess) -> None:
        """Start another worker when the current one has died."""
        await worker.ended.wait()
        if self.worker is not worker:
            return
        self.worker = None
        self.batcher.use(None)
        status = await worker.process.wait()
        self.metrics.deaths.labels(self.name).inc()
        log("worker died", model=self.name, pid=worker.process.pid, status=status)
        pause = FIRST_PAUSE
        async with self._loading:
            while self.worker is None:
                try:
                    await self._start()
                except (ConvworksError, OSError) as error:
                    log("worker failed", model=self.name, error=str(error), pause=pause)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)

    async def _retire(self, worker: WorkerProcess) -> None:
        """Stop a worker that gets no more batches, once it has answered those that it has."""
        while worker.computing and not worker.ended.is_set():
            await asyncio.sleep(0.01)
        await worker.stop()

    async def _watch(self) -> None:
        """Look for replaced bundles, and for a worker that is stuck."""
        while True:
            await asyncio.sleep(LOOK)
            worker = self.worker
            if worker is not None and worker.computing and time.monotonic() - worker.since > STUCK:
                log("worker stuck", model=self.name, pid=worker.process.pid, seconds=STUCK)
                worker.kill()
            if self.settings.watch:
                await self.reload(changed_only=True)

    def _look(self) -> list[tuple[int, ...]]:
        """Return the identities of the files that say which networks there are; a bundle's is written last."""
        states = []
        for path in self.named.paths:
            file = folder_of(path) / DESCRIPTION if path.is_dir() else path
            with contextlib.suppress(OSError):
                states.append(identity(file))
        return states

    def _observe(self, count: int, seconds: float) -> None:
        self.metrics.batches.labels(self.name).observe(count)
        self.metrics.computing.labels(self.name).observe(seconds)

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.failure = failure  # without this task the model may never be ready again: the server ends
