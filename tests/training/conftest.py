"""What the tests of training share: few digits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from few_digits import few_digits


@pytest.fixture(autouse=True, scope="module")
def _few_digits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Train on few digits, but in modules that say `ALL_DIGITS = True`."""
    if getattr(request.module, "ALL_DIGITS", False):
        yield
    else:
        with few_digits():
            yield
