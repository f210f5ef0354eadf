"""Progress of a run: a progress bar on a terminal and in a notebook, one line per epoch elsewhere."""

from __future__ import annotations

import time
from typing import Any

import torch

from convworks.console import bar_console, clock, say, shows_bars
from convworks.errors import counted
from convworks.metrics.spec import headline, spec, written_headline
from convworks.training.contention import Contention
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.setup import Setup


class Plain(Events):
    """A line at the start, one per epoch, and one every half a minute in longer epochs.

    The first after the start comes as soon as a few steps say how long an epoch takes, if that is long.
    """

    interval, early, enough = 30.0, 5.0, 3

    def __init__(self) -> None:
        self.last = self.began = time.perf_counter()
        self.steps = 0
        self.contention: Contention | None = None

    def say(self, text: str) -> None:
        """Write a line."""
        say(text)

    def step_began(self, setup: Setup, progress: Progress) -> None:
        """Write what is trained, before the first step."""
        if not self.steps:
            self.last = self.began = time.perf_counter()
            say(starting(setup, progress))

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Write a line if the last one is older than `interval`."""
        self.watch(setup)
        now = time.perf_counter()
        self.steps += 1
        known = self.steps == self.enough or (self.steps < self.enough and now - self.began > self.interval)
        epoch = (now - self.began) / self.steps * setup.steps_per_epoch
        if known and epoch > self.early and progress.batch < setup.steps_per_epoch:
            self.last, self.steps = now, max(self.steps, self.enough)
            say(f"an epoch of {counted(setup.steps_per_epoch, 'step')} takes about {clock(epoch)}")
        if now - self.last >= self.interval and progress.batch < setup.steps_per_epoch:
            self.last = now
            say(f"epoch {progress.epoch + 1}/{setup.config.training.epochs}  {describe(setup, progress)}")

    def watch(self, setup: Setup) -> None:
        """Write a line if other processes make the threads of this one wait."""
        if self.contention is None:
            self.contention = Contention(torch.get_num_threads() if setup.device.type == "cpu" else 1)
        elif (line := self.contention.line()) is not None:
            self.say(line)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Write the epoch's line."""
        self.last = time.perf_counter()
        self.say(summary(setup, progress))

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: plain lines need no cleaning up."""


class Bar(Plain):
    """A progress bar over all steps, and a line above it for each finished epoch."""

    def __init__(self) -> None:
        super().__init__()
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self.console = bar_console()
        self.bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
            transient=True,
            refresh_per_second=5,
        )
        self.task = self.bar.add_task("starting", total=None, numbers="")

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self.console.print(text, soft_wrap=True)

    def step_began(self, setup: Setup, progress: Progress) -> None:
        """Do nothing: the bar shows it."""

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Update the bar, at most ten times a second."""
        self.watch(setup)
        now = time.perf_counter()
        if now - self.last >= 0.1:
            self.last = now
            self.bar.update(
                self.task,
                total=setup.steps,
                completed=progress.step,
                description=f"epoch {progress.epoch + 1}/{setup.config.training.epochs}",
                numbers=describe(setup, progress),
            )


def display() -> Plain:
    """Return the display of this run: a bar where bars are shown, else plain lines."""
    return Bar() if shows_bars() else Plain()


def starting(setup: Setup, progress: Progress) -> str:
    """Describe what is trained, and on what."""
    training, model = setup.config.training, setup.config.model
    epochs = counted(training.epochs - progress.epoch, "epoch") + (" more" if progress.epoch else "")
    images = counted(len(setup.train), "image")
    steps = counted(setup.steps_per_epoch, "step")
    return f"training {model.title} on {images} of {setup.config.data.source}: {epochs} of {steps}"


def describe(setup: Setup, progress: Progress) -> str:
    """Describe the epoch so far: loss, score, images per second, time left."""
    totals = progress.totals
    left = (setup.steps - progress.step) * progress.seconds / max(progress.step, 1)
    return (
        f"loss {totals.mean_loss:.4f}  {spec(progress.score).title} {spec(progress.score).write(totals.mean_score)}  "
        f"{totals.seen / max(totals.seconds, 1e-9):,.0f} images/s  {clock(left)} left"
    )


def summary(setup: Setup, progress: Progress) -> str:
    """Describe the epoch that has just ended."""
    row: dict[str, Any] = progress.history[-1]
    metric = headline(row, "validation_").name
    named = "" if metric == "top1" else f"{spec(metric).title} "
    training = setup.config.training
    is_best = training.kept == "best" and progress.ranked(training.best)[0]["epoch"] == progress.epoch
    return (
        f"epoch {progress.epoch}/{training.epochs}  loss {row['train_loss']:.4f}  "
        f"{spec(progress.score).title} {spec(progress.score).write(row[f'train_{progress.score}'])}  "
        f"validation {named}{written_headline(row, 'validation_')}{', the best' if is_best else ''}  "
        f"{row['images_per_second']:,.0f} images/s  {clock(progress.seconds)}"
    )
