"""Measure a landscape in several processes of this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from convworks.console import rate_of
from convworks.errors import RunError
from convworks.explain.landscape.directions import write_directions
from convworks.explain.landscape.measure import Landscape
from convworks.explain.landscape.plan import DIRECTIONS, ROWS, missing, row_file

PAUSE = 0.2  # seconds between looks at the other processes


def measure(landscape: Landscape, folder: Path, count: int) -> None:
    """Measure the rows that are missing: every `count`-th here, the others in as many processes less one.

    Raises RunError if one of them fails; what is complete stays, to be resumed.
    """
    plan = landscape.plan
    (folder / ROWS).mkdir(parents=True, exist_ok=True)
    waiting = missing(folder, plan)
    count = max(1, min(count, len(waiting)))
    share = max(1, torch.get_num_threads() // count)  # of the threads that this process may use
    images = len(landscape.problem.samples)
    rows, width = len(plan.rows), len(plan.rows[0]) * images
    done = (rows - len(waiting)) * width
    own = 0
    with (
        rate_of("landscape", rows * width, done) as show,
        _threads(share),
        _shared(landscape, folder, count),
        _others(folder, [waiting[number::count] for number in range(1, count)], share) as others,
    ):

        def report() -> None:
            nonlocal own
            own += 1
            show(done + _rows_of_others(folder, waiting, count) * width + own * images)

        landscape.measure_rows(folder, waiting[::count], report)
        while any(process.poll() is None for process in others):
            time.sleep(PAUSE)
            show((rows - len(missing(folder, plan))) * width)
        for process in others:
            _, words = process.communicate()
            if process.returncode:
                reason = words.strip().rpartition("\n")[2] or f"status {process.returncode}"
                raise RunError("landscape", f"a process ended early: {reason}", "measure the rest with --resume")


def _rows_of_others(folder: Path, waiting: Sequence[int], count: int) -> int:
    """Return how many rows the other processes have measured."""
    others = {number for index, number in enumerate(waiting) if index % count}
    return sum(row_file(folder, number).is_file() for number in others)


@contextlib.contextmanager
def _shared(landscape: Landscape, folder: Path, count: int) -> Iterator[None]:
    """Keep the directions in a file within the context, if several processes need them: one alone computes them."""
    file = folder / DIRECTIONS
    try:
        if count > 1:
            write_directions(file, landscape.directions)
        yield
    finally:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def _others(folder: Path, shares: Sequence[Sequence[int]], threads: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Run a process for each share of the rows within the context; they are stopped at its end."""
    environment = dict(os.environ) | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "convworks.explain.landscape.worker"]
    processes = [
        subprocess.Popen(
            [*command, str(folder), ",".join(map(str, share)), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C goes to this process alone, which stops the others
        )
        for share in shares
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _threads(threads: int) -> Iterator[None]:
    """Use so many threads within the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
