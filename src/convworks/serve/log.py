"""The log: one JSON object a line on standard error, without the content of images."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from convworks.console import say


def log(event: str, **facts: Any) -> None:
    """Write what happened, when, and the facts about it."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    say(json.dumps({"time": now, "event": event, **facts}))
