"""Console output: results on standard output, progress on standard error.

A name may hold any character, and a stream may be closed, full, or unable to encode a character: none of it stops the
work.
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeGuard, cast, runtime_checkable

from convworks.errors import visible

if TYPE_CHECKING:
    from rich.console import Console

Count = Callable[[int, int], None]  # items done, total items
INTERVAL = 5.0  # seconds between plain lines
MINUTE = 60.0  # seconds between those of work that takes hours
OUTPUT = "standard output"


@runtime_checkable
class Stream(Protocol):
    """A text stream: a text file of Python, or a replacement of standard error."""

    def write(self, text: str, /) -> Any:
        """Write a text."""

    def flush(self) -> None:
        """Flush buffered text."""


def say(text: str) -> None:
    """Write a line to standard error, if it is open."""
    say_on(sys.stderr, text)


def say_on(stream: Stream | None, text: str) -> None:
    """Write a line, ignoring failures of the stream: progress messages must not stop the work."""
    with suppress(OSError):
        write(stream, text)


def answer(text: str) -> None:
    """Write a result to standard output; raises OSError with OUTPUT as file name if that fails."""
    try:
        write(sys.stdout, text)
    except OSError as error:
        sys.stdout = None
        error.filename = OUTPUT
        raise


def write(stream: Stream | None, text: str, *, begin: str = "", end: str = "\n") -> None:
    """Write lines to a stream if it is open; control characters, and those it cannot encode, become escapes.

    Raises OSError if the stream fails.
    """
    if not _open(stream):
        return
    lines = "\n".join(map(visible, text.split("\n")))
    stream.write(f"{begin}{_encodable(lines, stream)}{end}")
    stream.flush()


def on_terminal() -> bool:
    """Return whether standard error is a terminal, which can show progress bars."""
    return _open(sys.stderr) and bool(getattr(sys.stderr, "isatty", bool)())


def in_notebook() -> bool:
    """Return whether this is a Jupyter notebook that can show widgets, in which progress bars are drawn."""
    shell = getattr(builtins, "get_ipython", lambda: None)()  # IPython puts it there
    jupyter = type(shell).__name__ == "ZMQInteractiveShell" or "google.colab" in str(type(shell))
    return jupyter and importlib.util.find_spec("ipywidgets") is not None


def shows_bars() -> bool:
    """Return whether progress is shown as bars; elsewhere it is plain lines."""
    return on_terminal() or in_notebook()


def bar_console() -> Console:
    """Return the console on which Rich draws bars: the notebook, or standard error, whose failures are ignored."""
    from rich.console import Console

    if in_notebook():
        return Console(force_jupyter=True, markup=False, emoji=False, highlight=False)
    stream = getattr(sys.stderr, "rich_proxied_file", sys.stderr)  # if a bar is already active
    return Console(file=cast(TextIO, _Tolerant(stream)), markup=False, emoji=False, highlight=False)


def open_missing() -> None:
    """Open the null device for any of standard input, output and error that are closed.

    Otherwise the next file opened would get that descriptor, and receive the output of libraries.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor: this one


def close() -> None:
    """Flush standard output and error; drop a stream that fails."""
    for name in ("stdout", "stderr"):
        stream: Stream | None = getattr(sys, name)
        try:
            if _open(stream):
                stream.flush()
        except OSError:
            setattr(sys, name, None)  # otherwise the interpreter flushes again on exit, and fails


def _open(stream: Stream | None) -> TypeGuard[Stream]:
    return stream is not None and not getattr(stream, "closed", False)


def _encodable(text: str, stream: Stream) -> str:
    """Return a text with escapes for the characters that the stream's encoding lacks."""
    if text.isascii():
        return text
    encoding = _encoding(stream)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _encoding(stream: Stream) -> str:
    return str(getattr(stream, "encoding", None) or "utf-8")


class _Tolerant(io.TextIOBase):
    """A stream whose failures are ignored."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream, which Rich queries before drawing."""
        return _encoding(self.stream)

    def write(self, text: str) -> int:
        """Write a text, ignoring failures."""
        with suppress(OSError):
            self.stream.write(_encodable(text, self.stream))
        return len(text)

    def flush(self) -> None:
        """Flush the stream, ignoring failures."""
        with suppress(OSError):
            self.stream.flush()

    def isatty(self) -> bool:
        """Return True: Rich draws bars only on terminals."""
        return True


def clock(seconds: float) -> str:
    """Format a duration as 1:02:03, 4:05 or 6 s."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def counting(what: str) -> Iterator[Count]:
    """Yield a function of (done, total) that updates a progress bar, or writes a line every half a minute."""
    if not shows_bars():
        yield _lines(what)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=bar_console(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stepping(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Yield a function that is called after each of `total` steps, and shows them as `counting` does."""
    numbers = itertools.count(1)
    with counting(what) as count:
        yield lambda: count(next(numbers), total)


def _lines(what: str) -> Count:
    """Return a function of (done, total) that writes a line every half a minute, the first after as long."""
    last = time.perf_counter()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.perf_counter() - last >= MINUTE / 2 and done < total:
            last = time.perf_counter()
            say(f"{what}: {done:,} of {total:,}")

    return tell


def downloading() -> Callable[[str, int, int], None]:
    """Return a function of (file, bytes done, total bytes) that shows the progress of a download."""
    began: dict[str, tuple[float, int]] = {}
    last = 0.0

    def report(file: str, done: int, total: int) -> None:
        nonlocal last
        now = time.perf_counter()
        started, before = began.setdefault(file, (now, done))
        if now - last < (0.2 if on_terminal() else INTERVAL) and done < total:
            return
        last = now
        rate = (done - before) / max(now - started, 1e-3)
        left = f", {clock((total - done) / rate)} left" if rate and done < total else ""
        text = f"downloading {file}: {done / 2**20:.1f} of {total / 2**20:.1f} MiB, {rate / 2**20:.1f} MiB/s{left}"
        if on_terminal():
            with suppress(OSError):
                write(sys.stderr, text, begin="\r\x1b[K", end="\n" if done >= total else "")
        else:
            say(text)

    return report


@contextmanager
def rate_of(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Yield a function of the items done, of `total`, that shows rate and time left; `done` were done before.

    It updates a progress bar, or writes a line every MINUTE seconds where bars are not shown.
    """
    began = last = time.perf_counter()

    def numbers(now: int) -> str:
        rate = (now - done) / max(time.perf_counter() - began, 1e-3)
        left = f", {clock((total - now) / rate)} left" if rate and now < total else ""
        return f"{now:,} of {total:,}, {rate:,.0f} images/s{left}"

    def tell(now: int) -> None:
        nonlocal last
        if time.perf_counter() - last >= MINUTE and now < total:
            last = time.perf_counter()
            say(f"{what}: {numbers(now)}")

    if not shows_bars():
        yield tell
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[numbers]}"))
    with Progress(*columns, console=bar_console(), transient=True) as bar:
        task = bar.add_task(what, total=total, completed=done, numbers="")
        yield lambda now: bar.update(task, completed=now, numbers=numbers(now))


def updating(interval: float = 10.0) -> Callable[[str], None]:
    """Return a function that shows the latest text: in place on a terminal, which an empty text clears at the end.

    Elsewhere it is a line every `interval` seconds.
    """
    last, shown = time.perf_counter(), False

    def show(text: str) -> None:
        nonlocal last, shown
        now, terminal = time.perf_counter(), on_terminal()
        if not text:
            if terminal and shown:
                with suppress(OSError):
                    write(sys.stderr, "", begin="\r\x1b[K", end="")
            return
        if now - last < (0.2 if terminal else interval):
            return
        last, shown = now, True
        if terminal:
            with suppress(OSError):
                write(sys.stderr, text, begin="\r\x1b[K", end="")
        else:
            say(text)

    return show
