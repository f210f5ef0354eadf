"""A picture restored in Python: it is better, stays within its budget, repeats, and resumes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

import convworks
from convworks.restoration import plan as planning
from convworks.restoration import restore as module
from convworks.restoration.material import read_material
from convworks.restoration.memory import Memory
from convworks.restoration.plan import Budget
from convworks.restoration.request import Request
from convworks.restoration.restore import restore

SIDE = 24
#: A small network; an hour, so that a slow machine changes nothing.
QUICK: dict[str, Any] = {"model": "prior_hole2", "minutes": 60.0, "device": "cpu", "precision": "float32"}


def photograph(side: int) -> np.ndarray:
    """Return a part of a photograph that scikit-learn comes with."""
    part = Image.fromarray(load_sample_image("china.jpg")).crop((200, 60, 440, 300))
    return np.asarray(part.resize((side, side), Image.Resampling.BOX))


def with_noise(clean: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 25, clean.shape)
    return (clean + noise).clip(0, 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return photograph(SIDE)


@pytest.fixture(scope="module")
def noisy(clean: np.ndarray) -> np.ndarray:
    return with_noise(clean)


@pytest.mark.parametrize(
    ("options", "based"),
    [
        ({}, True),
        ({"stop": "iterations"}, False),
        ({"stop": "moving-variance"}, False),
        ({"model": "prior_denoise"}, False),
    ],
)
def test_the_denoising_network_starts_from_a_picture_without_details(options: dict[str, Any], based: bool) -> None:
    """Not with the published rules, nor the published network."""
    pixels = np.repeat(np.repeat(np.array([[[0], [90]], [[150], [255]]], dtype=np.uint8), 32, 0), 32, 1)
    first = convworks.restore(pixels, iterations=1, runs=1, **{**QUICK, "model": None, **options}).image.astype(float)
    corners = first[[4, 4, -5, -5], [4, -5, 4, -5], 0]
    assert (np.abs(corners - [0, 90, 150, 255]).max() < 2) == based


@pytest.mark.slow
def test_a_noisy_picture_becomes_better_and_the_rule_finds_that() -> None:
    clean = photograph(48)
    options = {**QUICK, "model": "prior_jpeg"}
    found = convworks.restore(with_noise(clean), compare=clean, runs=1, iterations=500, seed=1, **options)
    assert found.image.shape == clean.shape
    assert found.record["psnr"][0] > found.record["psnr_before"] + 2
    best = max(row["psnr"] for row in found.curve)
    assert found.record["psnr"][0] > best - 0.5
    assert found.record["stop"] == "held-out"


def test_known_pixels_stay_and_samples_differ(clean: np.ndarray) -> None:
    mask = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    mask[8:16, 8:16] = 0
    found = convworks.restore(clean, "inpaint", mask=mask, samples=3, iterations=5, compare=clean, **QUICK)
    assert len(found.images) == 3
    assert np.array_equal(found.before, np.where(mask[:, :, None] > 0, clean, 0))
    assert found.record["psnr_before"] < min(found.record["psnr"])
    for image in found.images:
        assert np.array_equal(image[mask > 0], clean[mask > 0])
    assert len({image.tobytes() for image in found.images}) == 3


def test_transparent_pixels_are_filled_in_without_a_mask(clean: np.ndarray) -> None:
    alpha = np.full((SIDE, SIDE, 1), 255, dtype=np.uint8)
    alpha[:10, :10] = 0
    found = convworks.restore(np.dstack([clean, alpha]), "inpaint", iterations=5, runs=1, **QUICK)
    assert found.image.shape == clean.shape
    assert np.array_equal(found.image[10:], clean[10:])
    hole = found.image[:10, :10].astype(float)
    assert hole.std() > 1  # neither white, on which it is read, nor black
    assert not np.array_equal(hole, clean[:10, :10])


def test_grey_pictures_are_enlarged(clean: np.ndarray) -> None:
    found = convworks.restore(clean[:12, :10, :1], "superres", scale=3, iterations=5, runs=1, **QUICK)
    assert found.image.shape == (36, 30, 1)


def test_the_moving_variance_chooses_an_iteration_of_a_jpeg() -> None:
    """A picture by itself: the variance is that of 100 outputs, so the first 99 have none."""
    buffer = io.BytesIO()
    Image.fromarray(photograph(SIDE)).save(buffer, "JPEG", quality=10)
    found = convworks.restore(buffer.getvalue(), "jpeg", iterations=120, runs=1, **QUICK)
    assert found.image.shape == (SIDE, SIDE, 3)
    assert [row["moving_variance"] is None for row in found.curve] == [True] * 9 + [False] * 3
    assert 100 <= found.record["fits"][0]["best_iteration"] <= 120


def test_runs_are_averaged_and_repeat(noisy: np.ndarray) -> None:
    options = {**QUICK, "stop": "iterations", "iterations": 5}
    both = convworks.restore(noisy, runs=2, **options)
    assert np.array_equal(both.image, convworks.restore(noisy, runs=2, **options).image)
    assert [fit["averaged"] for fit in both.record["fits"]] == [True, True]
    assert not np.array_equal(both.image, convworks.restore(noisy, runs=1, **options).image)


def test_the_time_is_kept(noisy: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that advances a tenth of a second whenever it is read, where an iteration is hoped to cost nothing."""
    ticks = count()
    for place in (planning, module):
        monkeypatch.setattr(place, "monotonic", lambda: next(ticks) / 10)
    monkeypatch.setattr(planning, "seconds_per_pixel", lambda *_: 1e-9)
    request = Request(problem="denoise", runs=3, **{**QUICK, "minutes": 0.05})
    found = restore(read_material("x", noisy, request), request, Interrupting(), Budget(seconds=3.0, started=0.0))
    assert [fit["ended"] for fit in found.record["fits"]] == ["time"]
    assert 5 < found.record["fits"][0]["iterations"] < 30
    assert found.record["seconds"] <= 3.0


class Interrupting(Memory):
    """Keeps a restoration in memory, and is interrupted after some iterations."""

    def __init__(self, after: int | None = None, saved: Any = None) -> None:
        super().__init__("x")
        self.after, self.saved = after, saved
        self.shown: list[Sequence[np.ndarray]] = []

    def load(self) -> Any:
        return self.saved

    def keep(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self.saved = {name: value.clone() for name, value in tensors.items()}, dict(state)

    def show(self, pictures: Sequence[np.ndarray], shown: Any) -> None:
        self.shown.append(pictures)

    def tell(self, session: Any, row: Any) -> None:
        part, _ = session.current
        if self.after is not None and (part.run, row.iteration) >= (1, self.after):
            raise KeyboardInterrupt


@pytest.mark.parametrize("options", [{"stop": "iterations"}, {"model": "prior_denoise_narrow"}])
def test_a_restoration_goes_on_where_it_was_interrupted(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KEEP", "SPARE"):
        monkeypatch.setattr(module, name, 0.0)
    noisy = with_noise(photograph(36))
    request = Request(problem="denoise", iterations=6, **{**QUICK, **options})
    material = read_material("x", noisy, request)
    whole = restore(material, request, Interrupting(), Budget(seconds=60.0))
    interrupted = Interrupting(after=3)
    with pytest.raises(KeyboardInterrupt):
        restore(material, request, interrupted, Budget(seconds=60.0))
    assert not np.array_equal(interrupted.shown[-1][0], noisy)  # the best so far
    resumed = restore(material, request, Interrupting(saved=interrupted.saved), Budget(seconds=60.0))
    assert np.array_equal(resumed.image, whole.image)
    assert [row["loss"] for row in resumed.curve] == [row["loss"] for row in whole.curve]


@pytest.mark.parametrize("kept", [{}, {"guided": False}])
def test_what_an_earlier_version_began_otherwise_is_not_resumed(kept: dict[str, Any]) -> None:
    request = Request(problem="denoise", iterations=6, **{**QUICK, "model": "prior_denoise_narrow"})
    material = read_material("x", with_noise(photograph(36)), request)
    keeper = Interrupting(after=3)
    with pytest.raises(KeyboardInterrupt):
        restore(material, request, keeper, Budget(seconds=60.0))
    state = keeper.saved[1]
    del state["block"]
    state |= kept
    with pytest.raises(convworks.InputError, match="--resume: x was begun by an earlier version"):
        restore(material, request, keeper, Budget(seconds=60.0))
