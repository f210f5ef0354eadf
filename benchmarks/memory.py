"""How much memory a process and all those that it started take, looked at again and again while they run."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

EVERY = 0.1  # seconds, or less often where a look takes long
SHARE = 0.01  # of the time may be spent looking: it takes 30 ms at 2 GB, in which the process gets no memory


class Memory(NamedTuple):
    """MiB: proportional shares (a page that n processes map counts 1/n in each), and of it what is no file's page."""

    share: float = 0.0
    anonymous: float = 0.0


class Peak:
    """Watches a process and its descendants from a thread; the peaks are of their sums. Zero without /proc."""

    def __init__(self, process: int) -> None:
        self.process = process
        self.share, self.anonymous = 0.0, 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def _watch(self) -> None:
        took = 0.0
        while not self.ended.wait(max(EVERY, took / SHARE)):
            started = time.perf_counter()
            found = [_memory(process) for process in (self.process, *_descendants(self.process))]
            self.share = max(self.share, sum(memory.share for memory in found))
            self.anonymous = max(self.anonymous, sum(memory.anonymous for memory in found))
            took = time.perf_counter() - started


def _memory(process: int) -> Memory:
    try:
        words = Path(f"/proc/{process}/smaps_rollup").read_text().split()
        share, anonymous = (int(words[words.index(name) + 1]) / 2**10 for name in ("Pss:", "Pss_Anon:"))
    except (OSError, ValueError):  # it has ended, or the system does not tell
        return Memory()
    return Memory(share, anonymous)


def _descendants(process: int) -> list[int]:
    """Return the processes that a process, and those that it started, have started."""
    try:
        found = [int(child) for path in Path(f"/proc/{process}/task").iterdir() for child in _children(path)]
    except OSError:
        return []
    return found + [each for child in found for each in _descendants(child)]


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []
