"""Pictures of several tiles: which are fitted, how they are blended, and which is resumed."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest

import convworks
from convworks.errors import RunError
from convworks.restoration import fit as fitting
from convworks.restoration import opening, plan
from convworks.restoration import restore as module
from convworks.restoration.fit import Fit, Row, Setup
from convworks.restoration.material import Material, read_material
from convworks.restoration.memory import Memory
from convworks.restoration.plan import Budget
from convworks.restoration.request import Request
from convworks.restoration.restore import restore
from convworks.restoration.rules import Best
from convworks.restoration.tiles import divide

SIDE = 24
WIDE = np.random.default_rng(0).integers(0, 256, (SIDE, 3 * SIDE, 3), dtype=np.uint8)
#: An hour, so that a slow machine changes nothing.
QUICK: dict[str, Any] = {"model": "prior_hole2", "minutes": 60.0, "device": "cpu", "iterations": 3}


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the picture be four tiles beside each other."""
    for place in (opening, plan):
        monkeypatch.setattr(place, "divide", partial(divide, side=SIDE, overlap=4))


@pytest.fixture
def perfect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each network give what was observed, at once."""

    def step(setup: Setup, fit: Fit) -> Row:
        fit.iteration += 1
        fit.seconds += 1.0
        fit.averaged.copy_(setup.observation.values)
        return Row(iteration=fit.iteration, seconds=fit.seconds, loss=0.0)

    monkeypatch.setattr(module, "step", step)


@pytest.mark.usefixtures("perfect")
def test_tiles_make_one_picture() -> None:
    found = convworks.restore(WIDE, stop="iterations", runs=1, **QUICK)
    assert [fit["part"]["tile"] for fit in found.record["fits"]] == [0, 1, 2, 3]
    assert np.array_equal(found.image, WIDE)


@pytest.mark.usefixtures("perfect")
def test_the_line_of_progress_names_the_tile_and_the_time_of_the_whole_picture() -> None:
    request, keeper, lines = Request(problem="denoise", stop="iterations", runs=2, **QUICK), Memory("x"), list[str]()
    keeper.progress.show = lines.append
    restore(material(request), request, keeper, Budget(seconds=3600.0))
    assert lines[0].startswith("x, tile 1 of 4: iteration 1, ")
    assert lines[3].startswith("x, tile 1 of 4, run 2: iteration 1, ")
    assert lines[-1].startswith("x, tile 4 of 4, run 2: iteration 3, ")
    assert all(re.search(r"at most [45]\d:\d\d left", line) for line in lines)


def test_only_tiles_with_missing_pixels_are_fitted() -> None:
    mask = np.full(WIDE.shape[:2], 255, dtype=np.uint8)
    mask[10:12, -3:] = 0
    found = convworks.restore(WIDE, "inpaint", mask=mask, runs=1, **QUICK)
    assert [fit["part"]["tile"] for fit in found.record["fits"]] == [3]
    assert np.array_equal(found.image[mask > 0], WIDE[mask > 0])
    assert found.image[mask == 0].any()


def test_a_tile_of_which_nothing_is_known_is_refused() -> None:
    mask = np.full(WIDE.shape[:2], 255, dtype=np.uint8)
    mask[:, :30] = 0
    with pytest.raises(convworks.InputError, match="has no known pixel in a tile of 21x24 pixels from 0, 0; crop it"):
        convworks.restore(WIDE, "inpaint", mask=mask, **QUICK)


class Killed(Memory):
    """Keeps a restoration in memory, and is interrupted in an iteration of a part."""

    def __init__(self, where: tuple[int, int, int] | None = None, saved: Any = None) -> None:
        super().__init__("x")
        self.where, self.saved = where, saved
        self.begun: list[tuple[int, int, int]] = []

    def load(self) -> Any:
        return self.saved

    def keep(self, tensors: Any, state: Any) -> None:
        self.saved = {name: value.clone() for name, value in tensors.items()}, {**state, "records": [*state["records"]]}

    def tell(self, session: Any, row: Row) -> None:
        part, _ = session.current
        self.begun.append((part.tile, part.run, row.iteration))
        if self.where == self.begun[-1]:
            raise KeyboardInterrupt


def material(request: Request) -> Material:
    return read_material("x", WIDE, request)


def killed(where: tuple[int, int, int], request: Request) -> Killed:
    """Return a restoration that was interrupted after an iteration."""
    keeper = Killed(where)
    with pytest.raises(KeyboardInterrupt):
        restore(material(request), request, keeper, Budget(seconds=3600.0))
    assert keeper.saved[1]["fit"]["iteration"] == where[2]
    return keeper


def test_the_fit_in_progress_is_resumed_whatever_time_earlier_tiles_could_have_now() -> None:
    """The first tile had no time for its second run, and would have after the kill."""
    request = Request(problem="denoise", stop="iterations", runs=2, **QUICK)
    keeper = killed((1, 0, 2), request)
    records = keeper.saved[1]["records"]
    keeper.saved[1]["records"] = [record for record in records if not record["part"]["run"]]
    resumed = Killed(saved=keeper.saved)
    restore(material(request), request, resumed, Budget(seconds=3600.0))
    assert resumed.begun[0] == (1, 0, 3)
    assert {tile for tile, _, _ in resumed.begun} == {1, 2, 3}


def test_a_second_run_in_progress_is_resumed_even_if_a_whole_one_would_take_longer() -> None:
    request = Request(problem="denoise", stop="iterations", runs=2, **QUICK)
    keeper = killed((3, 1, 2), request)
    for record in keeper.saved[1]["records"]:
        record["seconds_to_best"] = 10_000.0
    resumed = Killed(saved=keeper.saved)
    restored = restore(material(request), request, resumed, Budget(seconds=3600.0))
    assert resumed.begun == [(3, 1, 3)]
    assert all(fit["averaged"] for fit in restored.record["fits"])


def test_fewer_minutes_than_before_are_refused() -> None:
    request = Request(problem="denoise", stop="iterations", runs=2, **QUICK)
    keeper = killed((1, 0, 2), request)
    less = Request(problem="denoise", stop="iterations", runs=2, **{**QUICK, "minutes": 1.0})
    with pytest.raises(convworks.InputError, match="--minutes 1: is less than the 60 that it was begun with"):
        restore(material(less), less, Killed(saved=keeper.saved), Budget(seconds=60.0))


def test_a_second_run_that_diverges_leaves_the_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, runs = fitting.step, iter(range(100))

    def step(setup: Setup, fit: Fit) -> Row:
        if not fit.iteration:
            fit.best = Best(iteration=next(runs), lowest=1)  # the number of the run, for want of another place
        if fit.best.iteration == 1:
            raise RunError("restore", "the loss at iteration 1 is nan", "try another --seed")
        return whole(setup, fit)

    monkeypatch.setattr(module, "step", step)
    one = convworks.restore(WIDE[:, :SIDE], stop="iterations", runs=1, **QUICK)
    runs = iter(range(100))
    both = convworks.restore(WIDE[:, :SIDE], stop="iterations", runs=2, **QUICK)
    assert [(fit["ended"], fit["averaged"]) for fit in both.record["fits"]] == [
        ("iterations", True),
        ("divergence", False),
    ]
    assert np.array_equal(both.image, one.image)
    assert "a single run, not the mean of 2: another one diverged" in capsys.readouterr().err
