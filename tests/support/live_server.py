"""A server of `convworks serve` in a process of its own, and what its log says."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import convworks


class Live:
    """A server on a free port of this machine; its log is read as it comes."""

    def __init__(self, *words: object) -> None:
        source = str(Path(convworks.__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "convworks", "serve", *map(str, words), "--port", "0", "--json"]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._new: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.address = self.wait_for("loading")["address"].removeprefix("http://")
        self.wait_for("ready")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            self._new.put(json.loads(line) if line.startswith("{") else {"event": "text", "text": line})
        self._new.put(None)

    def wait_for(self, event: str, seconds: float = 60) -> dict[str, Any]:
        """Return the next event of a kind that the log tells."""
        deadline = time.monotonic() + seconds
        while True:
            told = self._new.get(timeout=max(0.01, deadline - time.monotonic()))
            assert told is not None, "".join(self.lines)
            self.events.append(told)
            if told["event"] == event:
                return told

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, seconds: float = 30
    ) -> tuple[int, bytes]:
        """Send a request over a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=seconds)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()

    def predict(self, image: bytes, query: str = "") -> tuple[int, Any]:
        status, body = self.ask("POST", f"/v1/predict{query}", image)
        return status, json.loads(body)

    def ready(self) -> bool:
        return self.ask("GET", "/readyz")[0] == 200

    @property
    def worker(self) -> int:
        """The process of the worker that is the last one to have started."""
        return int(next(told["pid"] for told in reversed(self.events) if told["event"] == "worker ready"))

    def end(self) -> dict[str, Any]:
        """Stop the server; return its answer."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self, seconds: float = 30) -> dict[str, Any]:
        """Wait until the server has stopped; return its answer."""
        assert self.process.wait(seconds) == 0, "".join(self.lines)
        self.reader.join()
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.read())
        return answer

    def close(self) -> None:
        """Kill what is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                self.reader.join(5)
                stream.close()


@contextlib.contextmanager
def live(*words: object) -> Iterator[Live]:
    """Serve while the context lasts."""
    server = Live(*words)
    try:
        yield server
    finally:
        server.close()


def alive(pid: int) -> bool:
    """Return whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
