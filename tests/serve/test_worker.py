"""A worker process: a bug ends it at once, and a network that cannot compute is never ready."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_bundles import small_bundle

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.errors import ConvworksError, RunError
from convworks.serve.process import WorkerProcess, start
from convworks.serve.settings import Limits, Named, Settings

SOURCE = str(Path(convworks.__file__).parents[1])
#: A change to the worker, made before its own main; the last two are the module and the socket.
PROGRAM = """
import sys, threading, time
sys.path.insert(0, {source!r})
from convworks.serve import compute, worker
{change}
sys.argv = sys.argv[-2:]
worker.main()
"""


def started(path: Path, change: str, monkeypatch: pytest.MonkeyPatch, **limits: Any) -> WorkerProcess | ConvworksError:
    """Start a worker that is changed; return it after it has ended, or the error that it did not get ready for."""
    program = PROGRAM.format(source=SOURCE, change=change)
    run = asyncio.create_subprocess_exec

    async def changed(executable: str, *words: str, **options: Any) -> asyncio.subprocess.Process:
        return await run(executable, "-c", program, *words[-2:], **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", changed)

    async def work() -> WorkerProcess | ConvworksError:
        settings = Settings(
            models=(Named(name="x", paths=(path,)),),
            runtime="torch",
            device="cpu",
            precision="float32",
            limits=Limits(**limits),
        )
        try:
            worker = await asyncio.wait_for(start(settings.models[0], settings), 120)
        except ConvworksError as error:
            return error
        worker.compute([{"names": ["image"]}], [b"x"])
        await asyncio.wait_for(worker.ended.wait(), 20)
        assert await worker.process.wait() == 1
        await worker.stop()
        return worker

    return asyncio.run(work())


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    save_bundle(tmp_path / "bundle", small_bundle("convnet_digits", 8))
    return tmp_path / "bundle"


#: Something that the interpreter waits for before it ends.
LASTING = "threading.Thread(target=time.sleep, args=(3600,)).start()\n"
BUGS = {
    "while it loads": "def bug(**_):\n    raise ZeroDivisionError\ncompute.load_served = bug",
    "while it computes": """
computed, respond, decoding = [], compute.respond, compute.decoding
def bug(*words):
    computed.append(1)
    return respond(*words) if len(computed) < 3 else 1 / 0
def begins(served, pool):
    pool.submit(time.sleep, 3600)
    return decoding(served, pool)
compute.respond, compute.decoding = bug, begins""",
    "while it decodes": "def bug(*_):\n    raise ZeroDivisionError\ncompute.item_of = bug",
}


@pytest.mark.parametrize("when", BUGS)
def test_a_bug_is_told_and_ends_the_process_at_once(
    when: str, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = started(bundle, LASTING + BUGS[when], monkeypatch)
    log = capsys.readouterr().err
    assert "Traceback (most recent call last)" in log
    assert "ZeroDivisionError" in log
    if isinstance(ended, ConvworksError):
        assert (type(ended), ended.reason) == (RunError, "its worker ended with status 1 before it was ready")


def test_a_network_that_fails_at_a_full_batch_is_not_ready(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change = """
from convworks.errors import RunError
compute.respond = lambda *_: [compute._failure(RunError("memory", "out of memory", "lower --max-batch"), 500)]
"""
    error = started(bundle, change, monkeypatch, max_batch=4)
    assert isinstance(error, RunError)
    assert str(error) == "memory: cannot compute 4 samples: out of memory; lower --max-batch"


def test_messages_name_options_and_commands_as_they_are_typed(tmp_path: Path) -> None:
    file = tmp_path / "network.onnx"
    file.write_bytes(b"x")
    told = {}
    for verb, words in (("predict", ["image.png"]), ("serve", ["--port", "0"])):
        command = [sys.executable, "-m", "convworks", verb, str(file), *words]
        told[verb] = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "convworks export" in told["predict"], told
    reason = told["predict"].partition(str(file))[2].strip()
    assert reason in told["serve"], told
    assert "convworks.export(" not in told["serve"]
