"""The log: one JSON object a line on standard error, without the content of images."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from convworks.console import say


def log(event: str, **facts: Any) -> None:
    """Write what happened, when, and the facts about it."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    say(json.dumps({"time": now, "event": event, **facts}))


class _Lines(logging.Handler):
    """Writes what libraries log in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, with the traceback of an exception."""
        facts = {"library": record.name, "level": record.levelname.lower(), "text": self.format(record)}
        log("library", **facts)


@contextmanager
def libraries_logged() -> Iterator[None]:
    """Log the warnings and errors of libraries while the context lasts."""
    handler = _Lines(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
