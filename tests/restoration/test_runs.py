"""How the time is shared among runs that are averaged: by a clock in which each iteration takes one second."""

from __future__ import annotations

from collections.abc import Callable
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
from convworks.restoration.rules import Best

GREY = np.full((24, 24, 1), 128, dtype=np.uint8)
Restore = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Restore:
    """Restore a picture whose best iteration is given, in so many seconds; return what ended each run, and where."""
    clock = SimpleNamespace(now=0.0)
    for place in (planning, module):
        monkeypatch.setattr(place, "monotonic", lambda: clock.now)
    monkeypatch.setattr(planning, "seconds_per_pixel", lambda *_: 1e-9)
    for name in ("SHOW", "KEEP"):  # nobody looks
        monkeypatch.setattr(module, name, 1e9)

    def restored(seconds: float, best: int, fall: float = 0.0, **options: Any) -> list[tuple[Any, ...]]:
        def step(_: Setup, fit: Fit) -> Row:
            clock.now += 1.0
            fit.iteration += 1
            fit.seconds += 1.0
            number = (1 - fall) ** min(fit.iteration, best)
            place = min(fit.iteration, best)
            fit.best = Best(iteration=place, lowest=place, value=number)
            row = Row(iteration=fit.iteration, seconds=fit.seconds, loss=1.0, held_out=number)
            fit.curve.append(row)
            return row

        clock.now = 0.0
        monkeypatch.setattr(module, "step", step)
        chosen = {"model": "prior_hole2", "device": "cpu", "minutes": seconds / 60, "runs": 2, **options}
        request = Request(problem="denoise", **chosen)
        found = restore(read_material("x", GREY, request), request, Memory("x"), Budget(seconds=seconds, started=0.0))
        return [(fit["ended"], fit["iterations"], fit["averaged"]) for fit in found.record["fits"]]

    return restored


def test_the_rule_ends_both_runs_where_the_time_allows_it(fits: Restore) -> None:
    assert fits(4000.0, best=700) == [("held-out", 1000, True)] * 2


def test_denoising_averages_four_runs(fits: Restore) -> None:
    assert fits(5000.0, best=700, runs=None) == [("held-out", 1000, True)] * 4


def test_the_first_run_leaves_the_time_that_another_one_needs(
    fits: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    """1,699 iterations: the patience of the first run would leave too few for another one."""
    first, second = fits(1700.0, best=700)
    assert first == ("another run", 929, True)
    assert second[0] == "time"
    assert 700 < second[1] <= 1699 - 929
    assert second[2]
    assert "run" not in capsys.readouterr().err.replace("run 2", "")


def test_runs_share_the_time_before_any_has_reached_its_best(fits: Restore) -> None:
    first, second = fits(1300.0, best=5000)
    assert first[0] == "another run"
    assert 600 <= first[1] < 700
    assert second[1] > 0.9 * first[1]
    assert second[2]


def test_a_run_that_still_gains_much_is_not_cut_short(fits: Restore) -> None:
    """Its error falls by a thousandth an iteration, a fifth in a third of 650."""
    assert [ended for ended, _, _ in fits(1300.0, best=5000, fall=0.001)] == ["time"]
    assert [ended for ended, _, _ in fits(1300.0, best=5000, fall=0.0001)] == ["another run", "time"]


def test_a_time_too_short_for_two_useful_runs_is_for_one(fits: Restore, capsys: pytest.CaptureFixture[str]) -> None:
    assert [(ended, averaged) for ended, _, averaged in fits(1000.0, best=5000)] == [("time", True)]
    assert "x: a single run, not the mean of 2: --minutes 16.6667 allows no more" in capsys.readouterr().err


def test_given_iterations_are_kept(fits: Restore) -> None:
    assert fits(1500.0, best=0, stop="iterations", iterations=1000) == [("iterations", 1000, True)]
