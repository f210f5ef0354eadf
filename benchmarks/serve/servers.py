"""The servers that are compared: each in processes of its own, which end with the context."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parents[1] / "peers"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers: where, and its process."""

    port: int
    path: str
    process: int

    def memory(self) -> float:
        """Return the resident memory of its processes in MiB."""
        total = 0
        for pid in family(self.process):
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                continue
        return total * os.sysconf("SC_PAGE_SIZE") / 2**20

    def processor(self) -> float:
        """Return the seconds of the processor that its processes have used."""
        ticks = 0
        for pid in family(self.process):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    members = [pid]
    for member in members:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members += map(int, task.read_text().split())
            except OSError:
                continue
    return members


@contextmanager
def convworks(bundle: Path, *options: object) -> Iterator[Server]:
    """Serve by `convworks serve`."""
    port = free_port()
    words = ["-m", "convworks", "serve", str(bundle), "--port", str(port), "--grace", "0", *map(str, options)]
    with _running(words, port, "/readyz", "/v1/predict") as server:
        yield server


@contextmanager
def peer(script: str, bundle: Path) -> Iterator[Server]:
    """Serve by a script of benchmarks/peers."""
    port = free_port()
    with _running([str(PEERS / script), str(bundle), str(port)], port, "/health", "/predict") as server:
        yield server


@contextmanager
def _running(words: list[str], port: int, ready: str, path: str) -> Iterator[Server]:
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, *words], stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(process, f"http://127.0.0.1:{port}{ready}", log)
            yield Server(port=port, path=path, process=process.pid)
        finally:
            members = family(process.pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for member in members[1:]:  # those that a peer leaves behind
                try:
                    os.kill(member, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def _wait(process: subprocess.Popen[bytes], address: str, log: object) -> None:
    end = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server has not started: {address}") from None
            time.sleep(0.2)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
