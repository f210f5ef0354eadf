"""The images of a batch in several threads on the CPU, a part in each."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise

import torch


def in_parts(work: Callable[[int, int], None], n: int) -> None:
    """Do work(first, end) for parts of 0 ... n - 1 that are all of it, in as many threads as PyTorch uses.

    What PyTorch does in these threads it does in each alone. Its own ones, which wait for more work by spinning for
    milliseconds, would take the processor from those that are at work.
    """
    threads = min(torch.get_num_threads(), n)
    if threads <= 1:
        work(0, n)
        return
    ends = [n * part // threads for part in range(threads + 1)]
    pool = _pool(torch.get_num_threads())
    try:
        tasks = [pool.submit(work, first, end) for first, end in pairwise(ends)]
    except RuntimeError:  # the interpreter is ending, but this thread still has work to do
        work(0, n)
        return
    wait(tasks)
    for task in tasks:
        task.result()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return threads that stay: to begin new ones for every batch takes as long as their work."""
    return ThreadPoolExecutor(threads, thread_name_prefix="parts", initializer=_alone)


def _alone() -> None:
    """Let PyTorch use this thread alone, from this thread: by OpenMP, for torch.set_num_threads is about all others."""
    torch.get_num_threads()  # a thread takes the number of the process when it first asks, and not again
    with suppress(AttributeError, OSError):  # built without OpenMP, or with another: slower, and no harm
        ctypes.CDLL(None).omp_set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads stay behind
