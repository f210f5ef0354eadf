"""How much of a picture a budget allows."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

import convworks
from convworks.restoration import plan as planning
from convworks.restoration.computation import Computation
from convworks.restoration.material import Material
from convworks.restoration.plan import Budget, plan
from convworks.restoration.request import Request
from convworks.restoration.tiles import divide


def sized(
    size: tuple[int, int], minutes: float, known: np.ndarray | None = None, read: float = 0.0, **options: Any
) -> tuple[int, int]:
    """Return the size at which a picture is restored if an iteration takes a microsecond a pixel, reading `read` s."""
    request = Request(minutes=minutes, **{"problem": "denoise", **options})
    way = Computation(
        model=request.network, channels=32, classes=3, device=torch.device("cpu"), precision=torch.float32
    )
    material = Material(name="x", pixels=np.broadcast_to(np.uint8(0), (*size, 3)), known=known)
    return plan(material, request, way, Budget(seconds=60.0 * minutes, started=-read))


@pytest.fixture(autouse=True)
def microsecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "seconds_per_pixel", lambda *_: 1e-6)
    monkeypatch.setattr(planning, "smallest_side", lambda _: 33)
    monkeypatch.setattr(planning, "monotonic", lambda: 0.0)


def test_a_budget_too_small_for_all_pixels_is_for_fewer() -> None:
    assert sized((300, 200), 1.0) == (300, 200)
    height, width = sized((8_000, 12_500), 5.0)
    assert width / height == pytest.approx(12_500 / 8_000, rel=0.01)
    assert 0.7 * 60 * 5 < 400e-6 * height * width < 60 * 5
    with pytest.raises(
        convworks.InputError, match=r"--minutes 0.01: is too little: .* give at least --minutes 0.0[6-9]"
    ):
        sized((300, 200), 0.01)
    with pytest.raises(
        convworks.InputError, match="x: has 500x20 pixels, but prior_denoise_narrow needs at least 33x33"
    ):
        sized((20, 500), 5.0)


@pytest.mark.parametrize("read", [0.0, 0.7, 9.0])
@pytest.mark.parametrize("side", [33, 40, 50, 64, 90, 127, 200])
@pytest.mark.parametrize("problem", ["denoise", "superres"])
def test_the_minutes_of_a_refusal_are_enough(
    problem: str, side: int, read: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading is among them, and everything may take a tenth longer the next time."""
    with pytest.raises(convworks.InputError, match="is too little") as refusal:
        sized((side, side), 0.001, read=read, problem=problem)
    seconds = re.search(r"take about (\d+) s here after (\d+) s of reading and timing;", str(refusal.value))
    assert seconds
    minutes = float(str(refusal.value).rpartition("--minutes ")[2].partition(",")[0])
    assert 60 * minutes >= math.fsum(map(float, seconds.groups())) - 1
    monkeypatch.setattr(planning, "seconds_per_pixel", lambda *_: 1.1e-6)
    height, _ = sized((side, side), minutes, read=1.1 * read, problem=problem)
    assert height >= min(side, 64)


@pytest.mark.parametrize(("minutes", "size"), [(0.5, (40, 760)), (0.2, (760, 40))])
def test_a_narrow_picture_keeps_its_proportions_or_is_refused(minutes: float, size: tuple[int, int]) -> None:
    """It cannot be reduced to less than 33 pixels on a side."""
    with pytest.raises(convworks.InputError, match=r"is too little: 400 iterations of 20,69\d pixels"):
        sized(size, 0.1)
    height, width = sized(size, minutes)
    assert (height, width) == size or min(height, width) < 40
    assert height / width == pytest.approx(size[0] / size[1], rel=0.03)


@pytest.mark.parametrize("size", [(1_200, 1_200), (1_600, 800), (2_000, 1_100)])
def test_what_tiles_share_is_part_of_the_cost(size: tuple[int, int]) -> None:
    """Each tile needs the 400 iterations that are enough."""
    height, width = sized(size, 5.0)
    tiles = divide((height, width))
    assert 0.7 * 0.9 * 299 < 400e-6 * len(tiles) * tiles[0].height * tiles[0].width < 0.9 * 299.01


def test_only_tiles_with_missing_pixels_cost() -> None:
    known = np.ones((2_000, 2_000), dtype=bool)
    known[10:20, 10:20] = False
    assert sized((2_000, 2_000), 8.0, known, problem="inpaint") == (2_000, 2_000)
    known[-1, -1] = False
    assert 1_500 < sized((2_000, 2_000), 8.0, known, problem="inpaint")[0] < 1_800


def test_a_picture_is_enlarged_whole_or_not_at_all() -> None:
    """500 iterations of 400 x 400 pixels."""
    with pytest.raises(
        convworks.InputError,
        match=r"--minutes 1: is too little: .* give at least --minutes 1\.[89]\d?, or a part of",
    ):
        sized((100, 100), 1.0, problem="superres")
    assert sized((100, 100), 1.6, problem="superres") == (100, 100)
