"""The images of a batch in several threads on the CPU, a part in each."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch


def in_parts(work: Callable[[int, int], None], n: int) -> None:
    """Do work(first, end) for parts of 0 ... n - 1 that are all of it, in as many threads as PyTorch uses.

    What PyTorch does in these threads it does in each alone. Its own ones, which wait for more work by spinning for
    milliseconds, would take the processor from those that are at work.
    """
    threads = min(torch.get_num_threads(), n)
    if threads == 1:
        work(0, n)
        return
    ends = [n * part // threads for part in range(threads + 1)]
    for _ in _pool(torch.get_num_threads()).map(work, ends[:-1], ends[1:]):
        pass


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return threads that stay: to begin new ones for every batch takes as long as their work."""
    begun = Barrier(threads + 1)

    def begin() -> None:
        torch.set_num_threads(1)  # of this thread, and of those that begin later
        torch.get_num_threads()  # a thread takes the number when it first asks for it
        begun.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="parts", initializer=begin)
    for _ in range(threads):
        pool.submit(int)
    begun.wait()
    torch.set_num_threads(threads)  # for those that begin later, as before
    return pool


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads stay behind
