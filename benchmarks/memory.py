"""Peak memory of a process and its descendants, sampled while they run."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

EVERY = 0.1  # seconds between samples, or more if sampling is slow
SHARE = 0.01  # maximum fraction of time for sampling: it takes 30 ms at 2 GB, during which the process cannot allocate


class Memory(NamedTuple):
    """MiB: proportional set size (a page mapped by n processes counts 1/n in each), and its anonymous part."""

    share: float = 0.0
    anonymous: float = 0.0


class Peak:
    """Samples a process and its descendants in a thread; peaks are of their sums. Zero without /proc."""

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
        duration = 0.0
        while not self.ended.wait(max(EVERY, duration / SHARE)):
            started = time.perf_counter()
            memories = [_memory(process) for process in (self.process, *_descendants(self.process))]
            self.share = max(self.share, sum(memory.share for memory in memories))
            self.anonymous = max(self.anonymous, sum(memory.anonymous for memory in memories))
            duration = time.perf_counter() - started


def _memory(process: int) -> Memory:
    try:
        fields = Path(f"/proc/{process}/smaps_rollup").read_text().split()
        share, anonymous = (int(fields[fields.index(name) + 1]) / 2**10 for name in ("Pss:", "Pss_Anon:"))
    except (OSError, ValueError):  # it has ended, or the system does not report it
        return Memory()
    return Memory(share, anonymous)


def _descendants(process: int) -> list[int]:
    """Return all descendants of a process."""
    try:
        children = [int(child) for path in Path(f"/proc/{process}/task").iterdir() for child in _children(path)]
    except OSError:
        return []
    return children + [descendant for child in children for descendant in _descendants(child)]


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []
