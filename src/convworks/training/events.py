"""What happens around the loop, and who is told of it."""

from __future__ import annotations

from collections.abc import Sequence

from convworks.training.progress import Progress
from convworks.training.setup import Setup


class Events:
    """What happens around the loop; each method does nothing unless a subclass says otherwise."""

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """After each update of the weights."""

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """After each validation; the history's last row is the epoch's."""


class EventList(Events):
    """Passes every event on to several listeners, in order."""

    def __init__(self, listeners: Sequence[Events]) -> None:
        self.listeners = tuple(listeners)

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Tell all of them."""
        for listener in self.listeners:
            listener.step_ended(setup, progress)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Tell all of them."""
        for listener in self.listeners:
            listener.epoch_ended(setup, progress)
