"""The table of counts that is shipped is that of the networks as they are built."""

from __future__ import annotations

import pytest
from thorough import shallow_first

from convworks.models import NAMES
from convworks.models.analysis.count import count_published
from convworks.models.analysis.counted import counted

AGAIN = "run scripts/count-networks"


def test_every_network_is_in_the_table() -> None:
    assert tuple(counted()) == NAMES, AGAIN


@pytest.mark.parametrize("name", shallow_first(NAMES))
def test_the_table_equals_the_network(name: str) -> None:
    assert counted()[name] == count_published(name), AGAIN
