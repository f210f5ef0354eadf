"""Processing a batch on the CPU in several threads, one part in each."""

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
    """Call work(first, end) for consecutive parts of 0 ... n - 1, in as many threads as PyTorch uses.

    Within these threads PyTorch is single-threaded: its own threads wait for work by spinning for milliseconds, and
    would take processors from ours.
    """
    threads = min(torch.get_num_threads(), n)
    if threads <= 1:
        work(0, n)
        return
    ends = [n * part // threads for part in range(threads + 1)]
    pool = _pool(torch.get_num_threads())
    try:
        tasks = [pool.submit(work, first, end) for first, end in pairwise(ends)]
    except RuntimeError:  # the interpreter is shutting down, but this thread still has work to do
        work(0, n)
        return
    wait(tasks)
    for task in tasks:
        task.result()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return a persistent pool: starting threads for every batch takes as long as their work."""
    return ThreadPoolExecutor(threads, thread_name_prefix="parts", initializer=_alone)


def _alone() -> None:
    """Make PyTorch single-threaded in this thread, through OpenMP: torch.set_num_threads affects all other threads."""
    torch.get_num_threads()  # a thread copies the number of the process on first use only
    with suppress(AttributeError, OSError):  # built without OpenMP, or with another: only slower
        ctypes.CDLL(None).omp_set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
