"""Callbacks of the training loop."""

from __future__ import annotations

from collections.abc import Sequence

from convworks.training.progress import Progress
from convworks.training.setup import Setup


class Events:
    """Callbacks of the training loop; each does nothing unless a subclass overrides it."""

    def step_began(self, setup: Setup, progress: Progress) -> None:
        """Called before each step."""

    def gradients_computed(self, setup: Setup, progress: Progress) -> None:
        """Called when the gradients of a step are complete, before they are clipped and used."""

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Called after each update of the weights."""

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Called after each validation; the last row of the history is that of the epoch."""


class EventList(Events):
    """Forwards every event to several listeners, in order."""

    def __init__(self, listeners: Sequence[Events]) -> None:
        self.listeners = tuple(listeners)

    def step_began(self, setup: Setup, progress: Progress) -> None:
        """Forward the event."""
        for listener in self.listeners:
            listener.step_began(setup, progress)

    def gradients_computed(self, setup: Setup, progress: Progress) -> None:
        """Forward the event."""
        for listener in self.listeners:
            listener.gradients_computed(setup, progress)

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Forward the event."""
        for listener in self.listeners:
            listener.step_ended(setup, progress)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Forward the event."""
        for listener in self.listeners:
            listener.epoch_ended(setup, progress)
