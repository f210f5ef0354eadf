"""How often tests repeat what they repeat: a few times by default, many times in the thorough profile."""

from __future__ import annotations

import os

#: Set by `make test-slow`.
THOROUGH = os.environ.get("CONVWORKS_TESTS") == "thorough"


def repeats(few: int, many: int) -> int:
    """Return how often to repeat; a test whose module imports this function is run by `make test-slow` too."""
    return many if THOROUGH else few
