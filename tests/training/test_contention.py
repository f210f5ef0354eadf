"""A training of several threads says that other processes use the cores it computes on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import convworks
from convworks.training import contention
from convworks.training.contention import Reading, described

TICKS = 100  # of /proc/stat, a second


@pytest.mark.parametrize(
    ("all", "own", "threads", "cores", "words"),
    [
        (20.0, 19.9, 2, 2, None),  # alone
        (17.0, 12.0, 2, 4, None),  # others, with cores of their own
        (19.0, 9.0, 2, 2, "other processes use 1.0 of 2 cores, and threads wait for one another: OMP_NUM_THREADS=1 is"),
        (
            38.0,
            13.0,
            4,
            4,
            "other processes use 2.5 of 4 cores, and threads wait for one another: OMP_NUM_THREADS=1 is",
        ),
        (
            80.0,
            69.0,
            8,
            8,
            "other processes use 1.1 of 8 cores, and threads wait for one another: OMP_NUM_THREADS=7 is",
        ),
    ],
)
def test_other_processes_are_named_where_threads_wait(
    all: float, own: float, threads: int, cores: int, words: str | None
) -> None:
    line = described(
        Reading(clock=5.0, all=1.0, own=2.0), Reading(clock=15.0, all=1.0 + all, own=2.0 + own), threads, cores
    )
    assert line is None if words is None else str(line).startswith(words)


def test_training_beside_a_busy_process_says_so_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not count the processors' time")
    cores = sorted(os.sched_getaffinity(0))
    monkeypatch.setattr(contention, "WINDOW", 0.0)
    monkeypatch.setattr(contention, "STATISTICS", Busy(cores))
    monkeypatch.setattr(torch, "get_num_threads", lambda: max(2, len(cores)))
    convworks.train("digits/default", epochs=1, out=tmp_path / "run")
    assert capsys.readouterr().err.count("threads wait for one another") == 1


class Busy:
    """A /proc/stat whose cores never rest: each reading is an hour of all of them later."""

    def __init__(self, cores: Sequence[int]) -> None:
        self.cores, self.hours = cores, 0

    def read_text(self, **_: str) -> str:
        self.hours += 1
        return "".join(f"cpu{core} {self.hours * 3600 * TICKS} 0 0 7 0 0 0 0 0 0\n" for core in self.cores)
