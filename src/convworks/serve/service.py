"""A server without its HTTP: the models, whether it is ready, and the way of a request from its body to its answer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from convworks import files
from convworks.errors import InputError, nearest
from convworks.serve.background import Background
from convworks.serve.batcher import Answer, BusyError, WorkerEndedError
from convworks.serve.bodies import Bodies, Receive
from convworks.serve.log import log
from convworks.serve.metrics import Metrics
from convworks.serve.model import Model, UnavailableError
from convworks.serve.problems import ProblemError, as_bytes, busy, left
from convworks.serve.settings import Settings

SHORTEST_KEY = 16  # characters


class _StoppingError(Exception):
    """The time to stop is over."""


class Service:
    """The models of a server; `draining` is set when it has been asked to stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.draining = False
        self.keys = read_keys(settings)
        self.metrics = Metrics(lambda: self.ready)
        self.bodies = Bodies(settings.limits.max_bytes)
        self._turn = asyncio.Lock()  # of a model to load
        self.models = {named.name: Model(named, settings, self.metrics, self._turn) for named in settings.models}
        self._background = Background()
        self._waiting: set[asyncio.Future[Any]] = set()
        self._refusals, self._logged = 0, -math.inf

    @property
    def ready(self) -> bool:
        """Whether every model has a worker, and the server has not been asked to stop."""
        return not self.draining and all(model.facts is not None for model in self.models.values())

    @property
    def failure(self) -> BaseException | None:
        """The exception that ended something in the background; None unless there was one."""
        all_of = [self._background, *(model.background for model in self.models.values())]
        return next((each.failure for each in all_of if each.failure is not None), None)

    async def begin(self) -> None:
        """Start the workers; raises the error of one that cannot start."""
        async with self._turn:
            for model in self.models.values():  # each may measure, and needs the processor for itself
                await model.begin()

    async def end(self) -> None:
        """Stop the workers, and what goes on in the background."""
        await self._background.end()
        await asyncio.gather(*(model.end() for model in self.models.values()))

    def begin_reload(self) -> None:
        """Reload in the background."""
        self._background.start(self.reload())

    async def reload(self) -> None:
        """Read the keys again, and load the bundles that have been replaced, one model after the other."""
        try:
            self.keys = read_keys(self.settings)
        except InputError as error:
            log("keys-kept", reason=str(error))
        for model in self.models.values():
            await model.reload()

    def give_up(self) -> None:
        """Answer all requests that wait with 503: the time to stop is over."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(_StoppingError())

    def model(self, name: str | None) -> Model:
        """Return the model of a name, or the only one; ProblemError if there is none."""
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        if name is None:
            reason = f"is needed: this server has {', '.join(self.models)}"
            raise ProblemError(HTTPStatus.BAD_REQUEST, "model", reason, "name one: ?model=NAME")
        if name not in self.models:
            reason = f"there is no model {name!r}{nearest(name, self.models)}"
            raise ProblemError(HTTPStatus.NOT_FOUND, "model", reason, f"choose from {', '.join(self.models)}")
        return self.models[name]

    def facts(self, model: Model) -> dict[str, Any]:
        """Return the facts about the networks of a model; ProblemError while it has no worker."""
        if model.facts is None:
            raise _without_worker(model)
        return model.facts

    def full(self) -> ProblemError | None:
        """Return why a request is refused if no model has room for one image more; else None."""
        refused = []
        for model in self.models.values():
            try:
                model.batcher.check()
                return None
            except BusyError as error:
                refused.append((model, error))
        return self._refused(*refused[0]) if refused else None

    def refusal(self, path: str) -> bytes | None:
        """Return the whole response to a request that no model has room for, else None.

        It takes little: under overload, the processor is needed for what was accepted. So it is counted, and the log
        tells the number once a second.
        """
        if self.draining or (problem := self.full()) is None:
            return None
        self.metrics.requests.labels("refused", "503").inc()
        self._refusals += 1
        if (now := time.monotonic()) - self._logged >= 1:
            log("refused", requests=self._refusals)
            self._refusals, self._logged = 0, now
        return as_bytes(path, problem)

    def check_room(self, model: Model) -> None:
        """Raise ProblemError if not even one image more can be answered: before anything of a body is read."""
        try:
            model.batcher.check()
        except BusyError as error:
            raise self._refused(model, error) from None

    def allows(self, authorization: str | None, key: str | None) -> bool:
        """Return whether a request has one of the keys, which takes as long for right ones as for wrong ones."""
        if self.keys is None:
            return True
        scheme, _, token = (authorization or "").partition(" ")
        sent = _digest(key or (token.strip() if scheme.lower() == "bearer" else ""))
        return sum(hmac.compare_digest(sent, each) for each in self.keys) > 0

    async def answer(
        self, model: Model, receive: Receive, arrived: float, item: dict[str, Any], pieces: list[bytes], count: int
    ) -> Answer:
        """Return the answer to a request.

        Raises ProblemError: 503 if it is not accepted or its worker dies, 504 past the deadline, 499 if the client
        leaves; in both of the latter cases its work is dropped.
        """
        try:
            job = model.submit(item, pieces, count)
        except BusyError as error:
            raise self._refused(model, error) from None
        except UnavailableError:
            raise _without_worker(model) from None
        leaving = asyncio.ensure_future(gone(receive))
        self._waiting.add(job.answer)
        try:
            deadline = arrived + self.settings.limits.deadline
            await asyncio.wait(
                (job.answer, leaving),
                timeout=max(0.0, deadline - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if job.answer.done():
                return self._checked(model, job.answer, count)
            model.batcher.drop(job)
            if leaving.done():
                self.metrics.dropped.labels(model.name, "left").inc()
                raise left()
            self.metrics.dropped.labels(model.name, "deadline").inc()
            reason = f"had no answer within {self.settings.limits.deadline:g} s"
            raise ProblemError(HTTPStatus.GATEWAY_TIMEOUT, model.name, reason, "try again later")
        finally:
            leaving.cancel()
            self._waiting.discard(job.answer)
            job.answer.cancel()

    def _refused(self, model: Model, error: BusyError) -> ProblemError:
        self.metrics.dropped.labels(model.name, "full").inc()
        return busy(model.name, "has more to do than it can answer in time", error.seconds)

    def _checked(self, model: Model, future: asyncio.Future[Answer], count: int) -> Answer:
        try:
            answer = future.result()
        except _StoppingError:
            raise busy("server", "is stopping, and had no time left for this", UnavailableError.seconds) from None
        except WorkerEndedError:
            raise busy(model.name, "lost its worker while computing", UnavailableError.seconds) from None
        if "error" in answer.header:
            error = answer.header["error"]
            raise ProblemError(error["status"], error["where"], error["reason"], error["remedy"])
        self.metrics.images.labels(model.name).inc(count)
        self.metrics.waiting.labels(model.name).observe(answer.waited)
        return answer


def _without_worker(model: Model) -> ProblemError:
    return busy(model.name, model.lacks, UnavailableError.seconds)


async def gone(receive: Callable[[], Awaitable[Any]]) -> None:
    """Return when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def read_keys(settings: Settings) -> tuple[bytes, ...] | None:
    """Return the digests of the keys, one a line of their file; None without a file.

    Raises InputError for a file without keys, and for a key that is easily guessed.
    """
    path = settings.api_key_file
    if path is None:
        return None
    keys = [line.strip() for line in files.read_text(path).splitlines() if line.strip()]
    if not keys:
        raise InputError(path, "holds no key", "write one a line, for example: openssl rand -hex 32")
    if short := [number for number, key in enumerate(keys, 1) if len(key) < SHORTEST_KEY]:
        reason = f"key {short[0]} has fewer than {SHORTEST_KEY} characters"
        raise InputError(path, reason, "make longer ones, for example: openssl rand -hex 32")
    return tuple(map(_digest, keys))


def _digest(key: str) -> bytes:
    """Return the digest of a key: all have one length, so that comparing them takes the same time."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
