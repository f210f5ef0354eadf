"""A short time: a fit at half the size guides that of the whole, an iteration of which takes a second by the clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from convworks.restoration import plan as planning
from convworks.restoration import restore as module
from convworks.restoration.fit import Fit, Row, Setup
from convworks.restoration.material import read_material
from convworks.restoration.memory import Memory
from convworks.restoration.plan import Budget
from convworks.restoration.request import Request
from convworks.restoration.restore import restore
from convworks.restoration.result import Restored

SIDE = 24
PICTURE = np.repeat(np.repeat(np.arange(0, 240, 20, dtype=np.uint8)[:, None, None], SIDE, 1), 2, 0)  # rows in pairs
#: The means of its pairs of rows, enlarged.
GUIDE = torch.nn.functional.interpolate(
    torch.from_numpy(PICTURE[::2, ::2].astype(np.float32) / 255).permute(2, 0, 1)[None], (SIDE, SIDE), mode="bicubic"
).clamp(0, 1)
OPTIONS: dict[str, Any] = {"model": "prior_hole2", "device": "cpu"}


class Keeping(Memory):
    """Keeps the last checkpoint, shows what is on the disk, and interrupts after an iteration."""

    def __init__(self, saved: Any = None, where: tuple[int, int] | None = None) -> None:
        super().__init__("x")
        self.saved, self.where = saved, where
        self.begun: list[tuple[int, int]] = []
        self.shown: list[np.ndarray] = []

    def load(self) -> Any:
        return self.saved

    def keep(self, tensors: Any, state: Any) -> None:
        self.saved = {name: value.clone() for name, value in tensors.items()}, {**state, "records": [*state["records"]]}

    def show(self, pictures: Any, shown: Any) -> None:
        self.shown += pictures

    def tell(self, session: Any, row: Row) -> None:
        self.begun.append((session.current[0].level, row.iteration))
        if self.where == self.begun[-1]:
            raise KeyboardInterrupt


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock, the first outputs of the fits, and networks that then give at once what was observed."""
    clock = SimpleNamespace(now=0.0, firsts=[])
    for place in (planning, module):
        monkeypatch.setattr(place, "monotonic", lambda: clock.now)
    monkeypatch.setattr(planning, "seconds_per_pixel", lambda *_: 1 / SIDE**2)

    def step(setup: Setup, fit: Fit) -> Row:
        seconds = setup.observation.values[0, 0].numel() / SIDE**2
        clock.now += seconds
        if not fit.iteration:
            clock.firsts.append(fit.forward(setup.input).detach())
        fit.iteration += 1
        fit.seconds += seconds
        fit.averaged.copy_(setup.observation.values)
        row = Row(iteration=fit.iteration, seconds=fit.seconds, loss=1.0, held_out=1.0)
        fit.curve.append(row)
        return row

    monkeypatch.setattr(module, "step", step)
    return clock


def restored(seconds: float, keeper: Keeping, **options: Any) -> Restored:
    request = Request(problem="denoise", minutes=seconds / 60, **{**OPTIONS, **options})
    material = read_material("x", PICTURE, request, compare=PICTURE)
    return restore(material, request, keeper, Budget(seconds=seconds, started=0.0))


def test_the_fit_of_the_whole_starts_from_that_at_half_the_size(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    found = restored(500.0, Keeping())
    assert found.image.shape == PICTURE.shape
    assert (
        "x: a fit at half the size comes first, and guides that of the whole: --minutes 8.33333 allows few iterations"
        in (capsys.readouterr().err)
    )
    half, whole = found.record["fits"][:2]
    assert (half["part"]["level"], half["averaged"]) == (1, False)
    assert (whole["part"]["level"], whole["averaged"]) == (0, True)
    assert 0.5 * 500 < half["seconds"] < 0.56 * 500
    assert clock.now <= 500
    first, last = clock.firsts[:2]
    assert tuple(first.shape[2:]) == (SIDE // 2, SIDE // 2)
    torch.testing.assert_close(last, GUIDE.clamp(1 / 255, 254 / 255))
    assert {row["level"] for row in found.curve} == {0, 1}


def test_time_for_more_iterations_or_a_number_of_them_is_for_the_picture_alone(clock: SimpleNamespace) -> None:
    for seconds, options in ((800.0, {}), (500.0, {"iterations": 100}), (2000.0, {"stop": "iterations"})):
        clock.now = 0.0
        found = restored(seconds, Keeping(), **options)
        assert {fit["part"]["level"] for fit in found.record["fits"]} == {0}


def test_the_guide_is_shown_until_the_fit_of_the_whole_begins(clock: SimpleNamespace) -> None:
    keeper = Keeping()
    found = restored(500.0, keeper)
    guide = (GUIDE[0].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    shown = [np.array_equal(picture, guide) for picture in keeper.shown]
    assert shown[1:] == sorted(shown[1:], reverse=True)  # the first is what was observed
    assert any(shown)
    assert np.array_equal(keeper.shown[-1], PICTURE)
    assert np.array_equal(found.image, PICTURE)


@pytest.mark.parametrize("where", [(1, 40), (0, 70)])
def test_either_fit_is_resumed(clock: SimpleNamespace, where: tuple[int, int]) -> None:
    keeper = Keeping(where=where)
    with pytest.raises(KeyboardInterrupt):
        restored(500.0, keeper)
    again = Keeping(saved=keeper.saved)
    found = restored(500.0, again)
    assert again.begun[0] == (where[0], where[1] + 1)
    assert [fit["part"]["level"] for fit in found.record["fits"]][:2] == [1, 0]
    assert np.array_equal(found.image, PICTURE)
    assert found.record["notes"][0].startswith("a fit at half the size comes first")
    assert clock.now <= 500
