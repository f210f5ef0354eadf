"""The memory of a benchmarked process is measured without taking its time."""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path
from typing import Any

import pytest

MODULE = Path(__file__).parents[2] / "benchmarks" / "memory.py"


@pytest.fixture
def module() -> dict[str, Any]:
    return runpy.run_path(str(MODULE))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this system does not tell")
def test_the_peak_of_a_process_is_what_it_took_while_watched(module: dict[str, Any]) -> None:
    with module["Peak"](os.getpid()) as peak:
        block = bytearray(os.urandom(1)) * (200 << 20)
        while peak.anonymous < 200:  # the test's own time limit ends it
            time.sleep(0.01)
        del block
    assert peak.share >= peak.anonymous


def test_where_a_look_takes_long_there_are_few(module: dict[str, Any]) -> None:
    looks = []

    def slow(process: int) -> Any:
        looks.append(process)
        time.sleep(0.1)
        return module["Memory"]()

    watch = module["Peak"]._watch.__globals__
    watch["_memory"], watch["_descendants"] = slow, lambda process: []
    with module["Peak"](os.getpid()):
        time.sleep(2)
    assert len(looks) == 1  # the next after 10 s
