"""A training of several threads says that other processes use the cores it computes on."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

import pytest
import torch

import convworks
from convworks.training import contention
from convworks.training.contention import Reading, described


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


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not count the processors' time")
def test_the_time_of_all_processes_holds_that_of_this_one() -> None:
    first = contention.read()
    assert first is not None
    while time.process_time() - first.own < 0.3:
        pass
    now = contention.read()
    assert now is not None
    assert now.all - first.all > 0.3 - 0.1  # in hundredths, a core


def test_training_beside_busy_processes_says_so_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hours = count()
    monkeypatch.setattr(contention, "WINDOW", 0.0)
    monkeypatch.setattr(contention, "read", lambda: reading(3600.0 * next(hours)))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    convworks.train("digits/default", epochs=1, out=tmp_path / "run")
    assert capsys.readouterr().err.count("threads wait for one another") == 1


def reading(seconds: float) -> Reading:
    """All cores of a large machine are busy, and this process does hardly anything."""
    return Reading(clock=seconds, all=64 * seconds, own=0.01 * seconds)
