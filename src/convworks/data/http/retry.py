"""Asking a server again after a trouble that may pass: with answers that break off, not only those that never come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
PASSING = (408, 416, 429)  # statuses below 500 that another attempt may be spared


def with_retries(ask: Callable[[], Answer], attempts: int, pause: float) -> Answer:
    """Return what `ask` returns; a passing refusal is tried again, `attempts` times in all, after longer pauses."""
    attempt = 1
    while True:
        try:
            return ask()
        except RefusedError as refusal:
            if attempt >= attempts or not refusal.passing:
                raise
            time.sleep(pause * attempt)
            attempt += 1


def refused(status: int, reason: str | None) -> RefusedError:
    """Return the refusal that an HTTP status stands for."""
    return RefusedError(f"HTTP {status} {reason or ''}".strip(), passing=status >= 500 or status in PASSING)


class RefusedError(Exception):
    """A server did not give what was asked; `passing` troubles are worth another attempt."""

    def __init__(self, reason: str, *, passing: bool) -> None:
        super().__init__(reason)
        self.passing = passing


class ExcessError(RefusedError):
    """An answer is longer than what was asked for."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it sends more than {limit:,} bytes", passing=False)
