"""Whether other processes use the cores that a network is trained on."""

from __future__ import annotations

import math
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from convworks.errors import ConvworksError
from convworks.files import read_text

STATISTICS = Path("/proc/stat")
WINDOW, FEW = 8.0, 0.4  # seconds watched; cores in use by others that are worth a line


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Seconds so far: of the clock, of all processes on the cores of this one, of this one."""

    clock: float
    all: float
    own: float


def read() -> Reading | None:
    """Return the seconds so far; None where the system does not count them."""
    try:
        text = read_text(STATISTICS)
        cores, ticks = os.sched_getaffinity(0), os.sysconf("SC_CLK_TCK")
    except (ConvworksError, OSError, AttributeError, ValueError):
        return None
    rows = {int(row[3:].split()[0]): list(map(int, row.split()[1:9])) for row in re.findall(r"^cpu\d+ .*$", text, re.M)}
    busy = sum(sum(row) - sum(row[3:5]) for core, row in rows.items() if core in cores)  # without idle and waiting
    return Reading(clock=time.perf_counter(), all=busy / ticks, own=time.process_time())


class Contention:
    """Says once that other processes compute beside a training of several threads.

    Threads wait for the slowest of them many hundred times a step, and the libraries below PyTorch burn the processor
    meanwhile: with one busy process beside it on two cores, ResNet-20 takes a third of its usual steps a second with
    two threads and two thirds with one; two such trainings at once take a fiftieth.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.first = read() if threads > 1 else None

    def line(self) -> str | None:
        """Return what to say, once enough time has passed; None before, and where nothing is to be said."""
        if self.first is None or time.perf_counter() - self.first.clock < WINDOW:
            return None
        first, now, self.first = self.first, read(), None
        return None if now is None else described(first, now, self.threads, len(os.sched_getaffinity(0)))


def described(first: Reading, now: Reading, threads: int, cores: int) -> str | None:
    """Return what to say of the seconds between two readings; None if every thread had a core to itself."""
    others = (now.all - first.all - (now.own - first.own)) / (now.clock - first.clock)
    if others < FEW or threads + others < cores + FEW:
        return None
    fewer = max(1, min(threads - 1, math.floor(cores - others + FEW)))
    return (
        f"other processes use {others:.1f} of {cores} cores, and threads wait for one another: "
        f"OMP_NUM_THREADS={fewer} is faster while they run"
    )
