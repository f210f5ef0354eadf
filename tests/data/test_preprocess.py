from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from convworks.config import build
from convworks.data.config import Fit
from convworks.data.preprocess import FILTER, Preprocessing, fit_array, fit_image, pad_arrays
from convworks.errors import InputError

SIDES = st.integers(2, 70)
SIZES = st.tuples(SIDES, SIDES)
FITS: list[Fit] = ["crop", "squash", "letterbox", "pad"]
GOOD: dict[str, Any] = {"size": (4, 5), "channels": 1, "fit": "crop", "mean": (0.5,), "std": (0.2,)}


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@given(have=SIZES, want=SIZES, fit=st.sampled_from(FITS), mode=st.sampled_from(["L", "RGB", "RGBA"]))
def test_size_and_mode(have: tuple[int, int], want: tuple[int, int], fit: Fit, mode: str) -> None:
    found = fit_image(picture(*have, mode), want, fit)
    assert found.size == (want[1], want[0])
    assert found.mode == mode


@given(have=SIZES, want=SIZES)
def test_crop_is_pillow_s_fit(have: tuple[int, int], want: tuple[int, int]) -> None:
    found = np.asarray(fit_image(picture(*have), want, "crop")).astype(int)
    expected = np.asarray(ImageOps.fit(picture(*have), (want[1], want[0]), FILTER)).astype(int)
    assert abs(found - expected).max() <= 1  # the box may differ in its last floating-point digit


def test_crop_cuts_the_middle() -> None:
    image = Image.new("L", (30, 10), 0)
    image.paste(255, (10, 0, 20, 10))
    assert np.asarray(fit_image(image, (10, 10), "crop")).min() == 255


def test_squash_keeps_everything() -> None:
    image = Image.new("L", (30, 10), 0)
    image.paste(255, (0, 0, 15, 10))
    found = np.asarray(fit_image(image, (10, 10), "squash"))
    assert found[:, :4].min() == 255
    assert found[:, 6:].max() == 0


def test_letterbox_pads_the_shorter_side() -> None:
    found = np.asarray(fit_image(Image.new("L", (30, 10), 255), (12, 12), "letterbox"))
    assert (found[4:8] == 255).all()
    assert found[:4].max() == found[8:].max() == 0


@given(have=SIZES, want=SIZES)
def test_pad_never_scales(have: tuple[int, int], want: tuple[int, int]) -> None:
    image = np.asarray(picture(*have))
    found = np.asarray(fit_image(picture(*have), want, "pad"))
    expected = np.zeros((*want, 3), dtype=np.uint8)
    top, left = (want[0] - have[1]) // 2, (want[1] - have[0]) // 2
    for y in range(want[0]):
        for x in range(want[1]):
            if 0 <= y - top < have[1] and 0 <= x - left < have[0]:
                expected[y, x] = image[y - top, x - left]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(pad_arrays(image[None], want)[0], expected)


@pytest.mark.parametrize("fit", FITS)
def test_the_right_size_is_left_alone(fit: Fit) -> None:
    image = picture(9, 7)
    assert fit_image(image, (7, 9), fit) is image
    array = np.asarray(image)
    assert fit_array(array, (7, 9), fit) is array


@given(have=SIZES, want=SIZES, fit=st.sampled_from(FITS))
def test_arrays_agree_with_images(have: tuple[int, int], want: tuple[int, int], fit: Fit) -> None:
    array = np.asarray(picture(*have))
    expected = np.asarray(fit_image(picture(*have), want, fit))
    np.testing.assert_array_equal(fit_array(array, want, fit), expected)
    many = np.concatenate([array, array[:, :, :2]], axis=2)
    np.testing.assert_array_equal(fit_array(many, want, fit)[:, :, 3:], expected[:, :, :2])


def test_scaling_down_averages() -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    found = np.asarray(fit_image(Image.fromarray(checks.astype(np.uint8)), (8, 8), "squash")).astype(int)
    assert abs(found - 127).max() <= 8, "antialiased"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("size", (0, 5), "size.0"),
        ("size", (4,), "size"),
        ("channels", 0, "channels"),
        ("fit", "stretch", "fit"),
        ("mean", (), "mean"),
        ("mean", (float("nan"),), "mean.0"),
        ("std", (0.0,), "std.0"),
        ("std", (float("inf"),), "std.0"),
        ("std", (0.1, 0.2), "std has 2 values for channels=1"),
        ("mean", (0.1, 0.2), "mean has 2 values for channels=1"),
    ],
)
def test_wrong_fields_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        build(Preprocessing, {**GOOD, field: value})
    assert message in str(caught.value)


def test_survives_json() -> None:
    made = build(Preprocessing, GOOD)
    assert Preprocessing.model_validate_json(made.model_dump_json()) == made
