"""Retrying requests after transient failures, including responses that break off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
PASSING = (408, 416, 429)  # statuses below 500 that may be transient


def with_retries(request: Callable[[], Result], attempts: int, pause: float, *, known: bool = False) -> Result:
    """Return the result of `request`; a transient refusal is retried, up to `attempts` in all, with growing pauses.

    A host name that cannot be resolved is only retried if the host is `known`, because it has answered before: the
    system's resolver has retried already, and there is probably no connection.
    """
    attempt = 1
    while True:
        try:
            return request()
        except RefusedError as refusal:
            if attempt >= attempts or not refusal.passing or (isinstance(refusal, UnresolvedError) and not known):
                raise
            time.sleep(pause * attempt)
            attempt += 1


def refused(status: int, reason: str | None) -> RefusedError:
    """Return the error for an HTTP status."""
    return RefusedError(f"HTTP {status} {reason or ''}".strip(), passing=status >= 500 or status in PASSING)


class RefusedError(Exception):
    """A server did not deliver what was requested; `passing` failures are transient, and worth another attempt."""

    def __init__(self, reason: str, *, passing: bool) -> None:
        super().__init__(reason)
        self.passing = passing


class UnresolvedError(RefusedError):
    """The name of a host cannot be resolved: it is wrong, or there is no connection."""

    def __init__(self, where: str = "") -> None:
        super().__init__(f"{where}no connection, or no such host", passing=True)


class ExcessError(RefusedError):
    """A response is longer than requested."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it sends more than {limit:,} bytes", passing=False)
