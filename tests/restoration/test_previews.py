"""How often previews are written, by a clock in which an iteration takes one second and a preview ten."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convworks.restoration import plan as planning
from convworks.restoration import restore as module
from convworks.restoration.fit import Fit, Row, Setup
from convworks.restoration.material import read_material
from convworks.restoration.memory import Memory
from convworks.restoration.plan import Budget
from convworks.restoration.request import Request
from convworks.restoration.restore import restore

GREY = np.full((24, 24, 1), 128, dtype=np.uint8)


def test_previews_that_take_long_are_rare_and_the_last_one_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    for place in (planning, module):
        monkeypatch.setattr(place, "monotonic", lambda: clock.now)
    monkeypatch.setattr(planning, "seconds_per_pixel", lambda *_: 1e-9)

    def step(_: Setup, fit: Fit) -> Row:
        clock.now += 1.0
        fit.iteration += 1
        fit.seconds += 1.0
        return Row(iteration=fit.iteration, seconds=fit.seconds, loss=1.0)

    class Slow(Memory):
        shown = 0

        def show(self, pictures: Sequence[np.ndarray], shown: Any) -> None:
            self.shown += 1
            clock.now += 10.0

    monkeypatch.setattr(module, "step", step)
    request = Request(problem="denoise", model="prior_hole2", device="cpu", minutes=10.0, runs=1)
    keeper = Slow("x")
    found = restore(read_material("x", GREY, request), request, keeper, Budget(seconds=600.0, started=0.0))
    assert found.record["fits"][0]["ended"] == "time"
    assert keeper.shown == 6  # one at the beginning, and one every 110 seconds
    assert 560 < clock.now <= 590
