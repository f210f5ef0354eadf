"""Bundles that are replaced while they are served: each change is loaded, or refused with a reason, once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from small_bundles import small_bundle

from convworks.bundle.bundle import load_bundle, save_bundle
from convworks.errors import RunError
from convworks.serve import model, process
from convworks.serve.process import WorkerProcess
from convworks.serve.service import Service
from convworks.serve.settings import Named, Settings

LOOK, STUCK = 0.05, 0.3


class Workers:
    """Workers without a process, which load bundles as real ones do; `hold` keeps them from getting ready."""

    def __init__(self) -> None:
        self.started: list[WorkerProcess] = []
        self.busy: list[bool] = []
        self.loading, self.most = 0, 0
        self.seconds = 0.0

    async def start(self, named: Named, settings: Settings, *, busy: bool = False) -> WorkerProcess:
        self.loading += 1
        self.most = max(self.most, self.loading)
        try:
            await asyncio.sleep(self.seconds)
            bundle = load_bundle(named.paths[0])
        finally:
            self.loading -= 1
        self.busy.append(busy)
        weights = next(iter(bundle.network.parameters())).sum().item()
        facts = {"version": f"{bundle.classes} {weights}", "task": "classification", "classes": list(bundle.classes)}
        others: dict[str, Any] = {"runtime": "x", "precision": "x", "why": "", "max_batch": 1, "seconds": 0.1}
        ended = asyncio.Event()

        async def wait() -> int:
            await ended.wait()
            return -9

        process = Mock(asyncio.subprocess.Process, pid=len(self.started), wait=wait, kill=Mock(side_effect=ended.set))
        writer = Mock(asyncio.StreamWriter, close=Mock(side_effect=ended.set))
        self.started.append(WorkerProcess(process=process, writer=writer, facts=facts | others, ended=ended))
        return self.started[-1]

    @property
    def versions(self) -> list[str]:
        return [each.facts["version"] for each in self.started]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    workers = Workers()
    monkeypatch.setattr(model, "start", workers.start)
    monkeypatch.setattr(model, "LOOK", LOOK)
    monkeypatch.setattr(model, "STUCK", STUCK)
    return workers


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Give a bundle, and another whose name is longer, with other weights and classes."""
    save_bundle(tmp_path / "served", small_bundle("convnet_digits", 8))
    other = small_bundle("convnet_digits", 8, classes="vwxyzu")
    for parameter in other.network.parameters():
        parameter.data += 0.01
    save_bundle(tmp_path / "new", other)
    return tmp_path / "served", tmp_path / "new"


def events(capsys: pytest.CaptureFixture[str], *kinds: str) -> list[dict[str, Any]]:
    """Return what the log has said since the last time."""
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] in kinds]


def served(paths: Path | list[Path], work: Callable[[Service], Awaitable[None]], **options: Any) -> Service:
    """Serve bundles while some work is done."""

    async def run() -> Service:
        listed = paths if isinstance(paths, list) else [paths]
        models = tuple(Named(name=path.name, paths=(path,)) for path in listed)
        service = Service(Settings(models=models, **options))
        await service.begin()
        try:
            await asyncio.wait_for(work(service), 30)
        finally:
            await service.end()
        return service

    return asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(LOOK / 5)


@pytest.mark.parametrize("watch", [True, False])
def test_a_bundle_that_is_copied_in_place_is_loaded_once_it_is_whole(
    watch: bool, workers: Workers, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`cp new/* served/` copies the weights last: until then the description names others."""
    place, new = folders

    async def work(service: Service) -> None:
        for name in ("README.md", "bundle.json"):
            shutil.copy(new / name, place)
        if watch:
            await until(lambda: bool(service.models["served"].refused))
            await asyncio.sleep(6 * LOOK)
        else:
            await service.reload()
        assert len(workers.started) == 1
        (refused,) = events(capsys, "reload failed")
        assert "weights.safetensors: is missing or does not have the checksum in bundle.json" in refused["error"]
        assert refused["version"] == workers.versions[0]
        shutil.copy(new / "weights.safetensors", place)
        if watch:
            await until(lambda: len(workers.started) == 2)
            await asyncio.sleep(6 * LOOK)
        else:
            await service.reload()
        assert len(workers.started) == 2

    served(place, work, watch=watch)
    assert "'v'" in workers.versions[1]
    assert events(capsys, "reload failed") == []


@pytest.mark.parametrize("file", ["weights.safetensors", "bundle.json"])
@pytest.mark.parametrize("watch", [True, False])
def test_a_file_that_does_not_fit_is_refused_with_a_reason_once_a_change(
    watch: bool, file: str, workers: Workers, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    place, _ = folders
    right = (place / file).read_bytes()

    async def work(service: Service) -> None:
        for number in range(2):
            (place / file).write_bytes(right[:-9] + bytes([number]) * 9)
            if watch:
                await asyncio.sleep(10 * LOOK)
            else:
                await service.reload()
            (refused,) = events(capsys, "reload failed")
            assert file in refused["error"]
        (place / file).write_bytes(right)
        await service.reload()
        assert service.models["served"].facts == workers.started[-1].facts

    service = served(place, work, watch=watch)
    assert len(workers.started) == 2
    assert 'convworks_reloads_total{model="served",result="failed"} 2.0' in service.metrics.text().decode()


def test_a_signal_is_always_answered_in_the_log(
    workers: Workers, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    place, _ = folders

    async def work(service: Service) -> None:
        await service.reload()
        assert [each["event"] for each in events(capsys, "unchanged", "reload failed")] == ["unchanged"]
        (place / "weights.safetensors").write_bytes(b"")
        for _ in range(2):  # what made it fail may be elsewhere: it is tried again
            await service.reload()
            assert [each["event"] for each in events(capsys, "unchanged", "reload failed")] == ["reload failed"]

    served(place, work)


def test_weights_of_openvino_are_watched_too(tmp_path: Path) -> None:
    from convworks.serve.state import state_of

    named = Named(name="x", paths=(tmp_path / "network.xml",))
    states = [state_of(named)]
    for name in ("network.xml", "network.bin", "network.bin"):
        (tmp_path / name).write_bytes(b"x" * len(states))
        states.append(state_of(named))
    assert len(set(states)) == 4


def test_other_classes_are_told(
    workers: Workers, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    place, new = folders

    async def work(service: Service) -> None:
        for name in os.listdir(new):
            shutil.copy(new / name, place)
        await service.reload()

    served(place, work)
    (told,) = events(capsys, "classes changed")
    assert (told["model"], told["before"], told["after"]) == ("served", 5, 6)


def test_models_load_one_at_a_time_and_say_whether_others_compute(workers: Workers, folders: tuple[Path, Path]) -> None:
    place, new = folders
    workers.seconds = 0.05

    async def work(service: Service) -> None:
        assert workers.busy == [False, False]
        for path in folders:
            os.utime(path / "bundle.json", ns=(0, 1))
        service.begin_reload()  # and --watch sees the same
        service.begin_reload()
        await until(lambda: len(workers.started) == 4)
        await asyncio.sleep(6 * LOOK)

    served([place, new], work, watch=True)
    assert workers.busy == [False, False, True, True]
    assert workers.most == 1


def test_a_signal_while_models_start_starts_none_twice(workers: Workers, folders: tuple[Path, Path]) -> None:
    workers.seconds = 0.1

    async def run() -> None:
        models = tuple(Named(name=path.name, paths=(path,)) for path in folders)
        service = Service(Settings(models=models))
        beginning = asyncio.create_task(service.begin())
        await asyncio.sleep(0.05)
        service.begin_reload()
        await beginning
        await asyncio.sleep(0.3)
        await service.end()

    asyncio.run(run())
    assert len(workers.started) == 2


def test_a_dead_worker_is_replaced_while_another_model_loads(workers: Workers, folders: tuple[Path, Path]) -> None:
    place, new = folders

    async def work(service: Service) -> None:
        workers.seconds = 1.0
        os.utime(new / "bundle.json", ns=(0, 1))
        service.begin_reload()
        await until(lambda: workers.loading == 1)
        workers.seconds = 0.0
        workers.started[0].ended.set()
        await until(lambda: len(workers.started) == 3)
        assert workers.loading == 1

    served([place, new], work)
    assert workers.most == 2


def test_a_bug_in_a_reload_ends_the_server(
    workers: Workers, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bug(*_: Any, **__: Any) -> WorkerProcess:
        raise ZeroDivisionError

    async def work(service: Service) -> None:
        monkeypatch.setattr(model, "start", bug)
        os.utime(folders[0] / "bundle.json", ns=(0, 1))
        service.begin_reload()
        await until(lambda: service.failure is not None)
        assert isinstance(service.failure, ZeroDivisionError)

    served(folders[0], work)


def test_a_worker_that_is_stuck_is_killed_also_after_it_was_replaced(
    workers: Workers, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    place, _ = folders

    async def work(service: Service) -> None:
        workers.started[0].compute([], [])  # a batch that it will never answer
        os.utime(place / "bundle.json", ns=(0, 1))
        await service.reload()
        await until(lambda: workers.started[0].process.kill.called)  # type: ignore[attr-defined]
        workers.seconds = 100.0  # --watch waits for another one
        os.utime(place / "bundle.json", ns=(0, 2))
        await until(lambda: workers.loading == 1)
        workers.started[1].compute([], [])
        await until(lambda: workers.started[1].process.kill.called)  # type: ignore[attr-defined]

    served(place, work, watch=True)
    assert [each["pid"] for each in events(capsys, "worker stuck")] == [0, 1]


def test_workers_that_are_being_retired_end_with_the_server(workers: Workers, folders: tuple[Path, Path]) -> None:
    place, _ = folders

    async def work(service: Service) -> None:
        workers.started[0].compute([], [])
        os.utime(place / "bundle.json", ns=(0, 1))
        await service.reload()

    served(place, work)
    assert [each.writer.close.called for each in workers.started] == [True, True]  # type: ignore[attr-defined]


def test_a_worker_that_does_not_get_ready_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LONGEST_START", 0.2)
    settings = Settings(models=(Named(name="x", paths=(tmp_path,)),))
    with pytest.raises(RunError, match="x: its worker was not ready within 0 s"):
        asyncio.run(process.start(settings.models[0], settings))
