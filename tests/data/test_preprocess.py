from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convworks.config import build
from convworks.data.config import Fit
from convworks.data.preprocess import Preprocessing, crop_box, fit_array, fit_image, pad_arrays
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


@given(have=SIZES, want=SIZES, mode=st.sampled_from(["L", "RGB", "RGBA"]))
def test_scaling_is_pillow_s(have: tuple[int, int], want: tuple[int, int], mode: str) -> None:
    image = picture(*have, mode)
    box = crop_box(have, (want[1], want[0]))
    for fit, cut in (("squash", image), ("crop", image.crop(box))):
        found = np.asarray(fit_image(image, want, build(Preprocessing, {**GOOD, "fit": fit}).fit)).astype(int)
        expected = np.asarray(cut.resize((want[1], want[0]), Image.Resampling.BILINEAR)).astype(int)
        assert abs(found - expected).max() <= 2
        assert abs(found - expected).mean() <= 0.5


def test_transparent_colours_do_not_count() -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:10] = (200, 100, 50, 255)
    pixels[10:] = (0, 255, 0, 0)
    image = Image.fromarray(pixels)
    found = np.asarray(fit_image(image, (7, 7), "squash")).astype(int)
    expected = np.asarray(image.resize((7, 7), Image.Resampling.BILINEAR)).astype(int)
    assert abs(found - expected).max() <= 2
    assert abs(found[3, :, :3] - (200, 100, 50)).max() <= 2


@given(have=SIZES, want=SIZES, share=st.floats(0.05, 1))
def test_the_part_is_in_the_middle_and_as_large_as_whole_pixels_allow(
    have: tuple[int, int], want: tuple[int, int], share: float
) -> None:
    left, upper, right, lower = crop_box(have, want, share)
    assert (left + right, upper + lower) == have
    assert right > left >= 0
    assert lower > upper >= 0
    scale = share * min(have[0] / want[0], have[1] / want[1])
    for length, side in ((right - left, want[0]), (lower - upper, want[1])):
        assert abs(length - side * scale) <= 1 + 1e-5 or length <= 2
    # As far as whole pixels allow: what ImageOps.fit cuts out, in fractions of them.
    if share == 1 and have[0] * want[1] == have[1] * want[0]:
        assert (left, upper, right, lower) == (0, 0, *have)


@pytest.mark.parametrize(
    ("have", "want", "share", "expected"),
    [
        ((500, 375), (256, 256), 1.0, (62, 0, 438, 375)),  # 62.5 to 437.5: outward
        ((500, 374), (256, 256), 1.0, (63, 0, 437, 374)),
        ((256, 256), (224, 224), 0.875, (16, 16, 240, 240)),
        ((17, 16), (16, 16), 1.0, (0, 0, 17, 16)),
        ((3, 3), (5, 5), 0.01, (1, 1, 2, 2)),
        ((2, 2), (5, 5), 0.01, (0, 0, 2, 2)),
    ],
)
def test_parts(have: tuple[int, int], want: tuple[int, int], share: float, expected: tuple[int, int, int, int]) -> None:
    assert crop_box(have, want, share) == expected


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
