"""The cost of layer statistics, from the seconds of steps."""

from __future__ import annotations

import pytest
from benchmarks.layer_statistics import cost

from convworks.training.statistics.event import LEAST


def test_the_cost_is_that_of_one_step_among_forty() -> None:
    plain = [1.0] * LEAST
    measured = [1.0 + 0.02 * LEAST, *plain[1:]]
    warm = [9.0] * (2 * LEAST)
    found = cost([*warm, *measured, *plain, *measured, *plain])
    assert found["with"] == pytest.approx(1.02 * found["without"])
    assert (found["by_turns"], found["by_steps"]) == pytest.approx((0.02, 0.02))
