"""What is told to people: the answer on standard output, and while work goes on, lines on standard error.

A name may hold anything, and a stream may be closed, full, or unable to write a letter: none of it ends the work.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeGuard, cast, runtime_checkable

from convworks.errors import visible

if TYPE_CHECKING:
    from rich.console import Console

Count = Callable[[int, int], None]  # items done, items in all
INTERVAL = 5.0  # seconds between plain lines
OUTPUT = "standard output"


@runtime_checkable
class Stream(Protocol):
    """What text is written to: what Python calls a text file, or whatever was put in the place of standard error."""

    def write(self, text: str, /) -> Any:
        """Take a text."""

    def flush(self) -> None:
        """Pass it on."""


def say(text: str) -> None:
    """Write a line on standard error, as far as there is one."""
    say_on(sys.stderr, text)


def say_on(stream: Stream | None, text: str) -> None:
    """Write a line, as far as the stream takes it: what is told on the way ends no work."""
    with suppress(OSError):
        write(stream, text)


def answer(text: str) -> None:
    """Write the answer on standard output; OSError of the file OUTPUT where it does not take it."""
    try:
        write(sys.stdout, text)
    except OSError as error:
        sys.stdout = None
        error.filename = OUTPUT
        raise


def write(stream: Stream | None, text: str, *, begin: str = "", end: str = "\n") -> None:
    """Write lines to a stream that is open; control characters, and letters that it cannot write, become escapes.

    Raises OSError where the stream does not take them.
    """
    if not _open(stream):
        return
    lines = "\n".join(map(visible, text.split("\n")))
    stream.write(f"{begin}{_encodable(lines, stream)}{end}")
    stream.flush()


def on_terminal() -> bool:
    """Tell whether standard error is a terminal, where bars can move."""
    return _open(sys.stderr) and bool(getattr(sys.stderr, "isatty", bool)())


def bar_console() -> Console:
    """Return where Rich draws bars: standard error, which may stop to take them."""
    from rich.console import Console

    stream = getattr(sys.stderr, "rich_proxied_file", sys.stderr)  # of a bar that is there already
    return Console(file=cast(TextIO, _Patient(stream)), markup=False, emoji=False, highlight=False)


def open_missing() -> None:
    """Open the null device in the place of standard input, output and error where they are closed.

    Else the next file would get that number, and what a library says there would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


def close() -> None:
    """Write what standard output and error still hold; where that fails, give it up."""
    for name in ("stdout", "stderr"):
        stream: Stream | None = getattr(sys, name)
        try:
            if _open(stream):
                stream.flush()
        except OSError:
            setattr(sys, name, None)  # else the interpreter tries again when it ends, and fails


def _open(stream: Stream | None) -> TypeGuard[Stream]:
    return stream is not None and not getattr(stream, "closed", False)


def _encodable(text: str, stream: Stream) -> str:
    """Return a text with escapes for the letters that the stream's encoding lacks."""
    if text.isascii():
        return text
    encoding = _encoding(stream)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _encoding(stream: Stream) -> str:
    return str(getattr(stream, "encoding", None) or "utf-8")


class _Patient(io.TextIOBase):
    """A stream whose failures end no work."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the stream can write, which Rich asks before it draws."""
        return _encoding(self.stream)

    def write(self, text: str) -> int:
        """Write as much as can be written."""
        with suppress(OSError):
            self.stream.write(_encodable(text, self.stream))
        return len(text)

    def flush(self) -> None:
        """Flush."""
        with suppress(OSError):
            self.stream.flush()

    def isatty(self) -> bool:
        """Tell Rich that it is a terminal: else there are no bars."""
        return True


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
    if not on_terminal():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=bar_console(), transient=True) as bar:
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

    return tell
