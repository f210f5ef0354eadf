"""Progress of an experiment on standard error: one bar for all runs on a terminal, one line per run elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from convworks.console import bar_console, clock, say_on, shows_bars
from convworks.errors import visible
from convworks.metrics.spec import written_headline


class Plain:
    """One line for each run that ends, and between them at most one an epoch, or one every five minutes."""

    interval, longest = 10.0, 300.0  # seconds, at the end of an epoch and within one

    def __init__(self, total: int) -> None:
        self.total, self.ended, self.best = total, 0, ""
        self.shares: dict[str, float] = {}
        self.rows: dict[str, Mapping[str, Any]] = {}
        self.stream = sys.stderr  # which is redirected while a run is at work
        self.began = self.last = time.perf_counter()

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: plain lines need no cleaning up."""

    def moved(self, name: str, share: float, row: Mapping[str, Any] | None) -> None:
        """Record the progress of a run, and show it if the last line is old enough."""
        self.shares[name] = share
        if row is not None:
            self.rows[name] = row
        if time.perf_counter() - self.last >= (self.longest if row is None else self.interval):
            self.last = time.perf_counter()
            self.write(f"{self.describe()}  {self.numbers()}")

    def finish(self, name: str, words: str, best: str) -> None:
        """Count a finished run, and show its result and the best so far."""
        self.ended, self.best, self.last = self.ended + 1, best, time.perf_counter()
        self.shares.pop(name, None)
        self.rows.pop(name, None)
        self.write(f"{name} ({self.ended} of {self.total}): {words}{f'; best so far {best}' if best else ''}")

    def describe(self) -> str:
        """Return which runs are at work."""
        count = len(self.shares) or 1
        last = f"-{self.ended + count}" if count > 1 else ""
        return f"run {min(self.ended + 1, self.total)}{last} of {self.total}"

    def numbers(self) -> str:
        """Return the metrics of the running runs, the best so far, and the time left."""
        rows = [
            f"{name} epoch {row['epoch']} {written_headline(row, 'validation_')}" for name, row in self.rows.items()
        ]
        done = self.ended + sum(self.shares.values())
        left = (time.perf_counter() - self.began) * (self.total - done) / done if done else 0.0
        parts = [*rows[:3], *([f"best {self.best}"] if self.best else []), *([f"{clock(left)} left"] if done else [])]
        return "  ".join(parts)

    def write(self, text: str) -> None:
        """Write a line."""
        say_on(self.stream, text)


class Bar(Plain):
    """A progress bar over all runs, and a line above it for each that has ended."""

    interval = 0.2

    def __init__(self, total: int) -> None:
        super().__init__(total)
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self.console = bar_console()
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        self.bar = Progress(
            *columns,
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
            transient=True,
            refresh_per_second=5,
            redirect_stderr=False,
            redirect_stdout=False,
        )
        self.task = self.bar.add_task("starting", total=float(total), numbers="")

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def moved(self, name: str, share: float, row: Mapping[str, Any] | None) -> None:
        """Update the bar."""
        super().moved(name, share, row)
        self._update()

    def finish(self, name: str, words: str, best: str) -> None:
        """Print the run's line above the bar."""
        super().finish(name, words, best)
        self._update()

    def write(self, text: str) -> None:
        """Print permanent lines above the bar; intermediate ones are in it."""
        if not text.startswith("run "):
            self.console.print(visible(text), soft_wrap=True)

    def _update(self) -> None:
        done = self.ended + sum(self.shares.values())
        self.bar.update(self.task, completed=done, description=self.describe(), numbers=self.numbers())


def show(total: int) -> Plain:
    """Return the display for standard error: a bar on a terminal, else plain lines."""
    return Bar(total) if shows_bars() else Plain(total)
