"""Work done ahead of whoever needs it, by threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield work(item) for each item in order, computed ahead by `threads` threads, at most threads + 1 at a time.

    Without threads, each result is computed on demand.
    """
    if threads == 0:
        yield from map(work, items)
        return
    remaining = iter(items)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    try:
        pending: list[Future[R]] = [pool.submit(work, item) for item in islice(remaining, threads + 1)]
        while pending:
            result = pending.pop(0).result()
            pending += [pool.submit(work, item) for item in islice(remaining, 1)]
            yield result
    finally:  # also if the consumer stops early
        pool.shutdown(cancel_futures=True)
