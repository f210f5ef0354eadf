"""What is told to people while work goes on: on standard error, results alone go to standard output."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Count = Callable[[int, int], None]  # items done, items in all
INTERVAL = 5.0  # seconds between plain lines


def say(text: str) -> None:
    """Write a line."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def clock(seconds: float) -> str:
    """Write a duration as 1:02:03, 4:05 or 6 s."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def counting(what: str) -> Iterator[Count | None]:
    """Give a function of (done, total) that moves a bar; None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def downloading() -> Callable[[str, int, int], None]:
    """Return a function of (file, bytes done, bytes in all) that tells how a download gets on."""
    began: dict[str, tuple[float, int]] = {}
    last = 0.0

    def tell(file: str, done: int, total: int) -> None:
        nonlocal last
        now = time.perf_counter()
        started, before = began.setdefault(file, (now, done))
        if now - last < (0.2 if sys.stderr.isatty() else INTERVAL) and done < total:
            return
        last = now
        rate = (done - before) / max(now - started, 1e-3)
        left = f", {clock((total - done) / rate)} left" if rate and done < total else ""
        text = f"downloading {file}: {done / 2**20:.1f} of {total / 2**20:.1f} MiB, {rate / 2**20:.1f} MiB/s{left}"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="\n" if done >= total else "", file=sys.stderr, flush=True)  # noqa: T201
        else:
            say(text)

    return tell
