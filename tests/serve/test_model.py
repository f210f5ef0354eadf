"""A model whose workers end: it is ready again as soon as it can be, and a bug in that ends the server."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from serving_app import ask

from convworks.serve import model, server
from convworks.serve.app import build
from convworks.serve.metrics import Metrics
from convworks.serve.process import WorkerProcess
from convworks.serve.service import Service
from convworks.serve.settings import Limits, Named, Settings

resource = pytest.importorskip("resource", reason="limits are those of Linux")
FACTS = {
    "version": "1",
    "runtime": "x",
    "precision": "x",
    "why": "",
    "max_batch": 1,
    "seconds": 0.1,
    "task": "x",
    "classes": [],
}


def worker(number: int) -> WorkerProcess:
    """Return a worker without a process, which ends when `ended` is set."""

    async def wait() -> int:
        return -9

    process = Mock(asyncio.subprocess.Process, pid=number, wait=wait)
    return WorkerProcess(process=process, writer=Mock(asyncio.StreamWriter), facts=FACTS)


def settings(tmp_path: Path, **options: Any) -> Settings:
    file = tmp_path / "network.onnx"
    file.touch()
    return Settings(models=(Named(name="x", paths=(file,)),), port=0, limits=Limits(**options))


def test_a_bug_in_the_background_ends_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, errors = worker(1), iter([OSError(24, "Too many open files"), ZeroDivisionError()])
    started: list[int] = []

    async def start(*_: Any, **__: Any) -> WorkerProcess:
        started.append(len(started))
        if len(started) == 1:
            asyncio.get_running_loop().call_later(0.2, first.ended.set)
            return first
        raise next(errors)

    monkeypatch.setattr(model, "start", start)
    monkeypatch.setattr(model, "FIRST_PAUSE", 0.01)
    with server.bind("127.0.0.1", 0) as listener, pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(server._serve(settings(tmp_path), listener, "http://x"), 20))
    assert len(started) == 3


def test_a_replaced_bundle_that_a_new_worker_has_loaded_is_not_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers: list[WorkerProcess] = []

    async def start(*_: Any, **__: Any) -> WorkerProcess:
        workers.append(worker(len(workers)))
        return workers[-1]

    async def work() -> None:
        chosen = settings(tmp_path)
        served = model.Model(chosen.models[0], chosen, Metrics(lambda: True), asyncio.Lock())
        await served.begin()
        os.utime(tmp_path / "network.onnx", ns=(0, 1))
        workers[0].ended.set()
        while len(workers) < 2:
            await asyncio.sleep(0)
        await served.reload()
        assert len(workers) == 2
        os.utime(tmp_path / "network.onnx", ns=(0, 2))
        await served.reload()
        assert len(workers) == 3
        await served.end()

    monkeypatch.setattr(model, "start", start)
    asyncio.run(work())


def test_a_model_without_a_worker_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = worker(1)

    async def work() -> None:
        results: asyncio.Queue[WorkerProcess | OSError] = asyncio.Queue()

        async def start(*_: Any, **__: Any) -> WorkerProcess:
            result = await results.get()
            if isinstance(result, OSError):
                raise result
            return result

        async def until(why: dict[str, str]) -> None:
            while (await ask(app, "GET", "/readyz")).json["why"] != why:
                await asyncio.sleep(0)

        async def told(reason: str) -> None:
            await until({"x": reason})
            refused = await ask(app, "POST", "/v1/predict", b"x")
            assert (refused.status, refused.json["error"]["reason"]) == (503, reason)
            described = await ask(app, "GET", "/v2/models/x")
            assert (described.status, described.json["error"]) == (503, f"x: {reason}; try again later")
            listed = await ask(app, "GET", "/v1/models")
            assert listed.json["models"] == [{"name": "x", "ready": False, "why": reason}]

        monkeypatch.setattr(model, "start", start)
        service = Service(settings(tmp_path))
        app = build(service)
        beginning = asyncio.create_task(service.begin())
        await told("is starting")
        results.put_nowait(first)
        await beginning
        await until({})
        first.ended.set()
        await told("lost its worker and is starting another")
        results.put_nowait(OSError(12, "Cannot allocate memory"))
        await told("could not start a worker yet")
        results.put_nowait(worker(2))
        await until({})
        await service.end()

    monkeypatch.setattr(model, "FIRST_PAUSE", 0.01)
    asyncio.run(asyncio.wait_for(work(), 20))


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "connections"),
    [(1024, 4096, 2128, 1000), (4096, 4096, None, 1000), (1024, 1024, None, 448), (-1, -1, None, 1000)],
)
def test_connections_have_files(
    soft: int, hard: int, raised: int | None, connections: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, both: limits.append(both))
    chosen = settings(tmp_path)
    assert server.with_files(chosen) == dataclasses.replace(chosen, limits=Limits(connections=connections))
    assert limits == ([] if raised is None else [(raised, hard)])
