"""Queries about the hardware."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from convworks.hardware import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(16 << 20).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
fresh = faults()
keep_memory(torch.device("cpu"))
for _ in range(20):  # glibc before 2.38 asks for a little more than it gave back, until there is room
    faults()
print(fresh, faults())
"""


def measured(**variables: str) -> tuple[int, int]:
    """Return the page faults of a tensor, before and after memory is kept."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | variables
    process = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, timeout=120, env=environment
    )
    fresh, reused = map(int, process.stdout.split())
    return fresh, reused


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_memory_that_is_given_back_serves_the_next_tensor() -> None:
    fresh, reused = measured()
    assert fresh > 8000  # 64 MiB in pages of 4 KiB
    assert reused < 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_who_decides_about_memory_himself_is_left_alone() -> None:
    assert min(measured(MALLOC_MMAP_THRESHOLD_=str(1 << 20))) > 8000
