from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convworks.config import build
from convworks.data.config import Fit
from convworks.data.decode.picture import Picture
from convworks.data.decode.preprocess import Preprocessing, crop_box, fit_array, fit_image, fit_picture, pad_arrays
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
    result = fit_image(picture(*have, mode), want, fit)
    assert result.size == (want[1], want[0])
    assert result.mode == mode


@given(have=SIZES, want=SIZES, mode=st.sampled_from(["L", "RGB", "RGBA"]))
def test_scaling_is_pillow_s(have: tuple[int, int], want: tuple[int, int], mode: str) -> None:
    image = picture(*have, mode)
    box = crop_box(have, (want[1], want[0]))
    for fit, cut in (("squash", image), ("crop", image.crop(box))):
        result = np.asarray(fit_image(image, want, build(Preprocessing, {**GOOD, "fit": fit}).fit)).astype(int)
        expected = np.asarray(cut.resize((want[1], want[0]), Image.Resampling.BILINEAR)).astype(int)
        assert abs(result - expected).max() <= 2
        assert abs(result - expected).mean() <= 0.5


@given(have=SIZES, want=SIZES, fit=st.sampled_from(FITS), opaque=st.booleans())
def test_colours_count_as_much_as_they_are_opaque(
    have: tuple[int, int], want: tuple[int, int], fit: Fit, opaque: bool
) -> None:
    """Pillow resizes RGBA in this way; images that are only cropped or padded keep their colours exactly."""
    array = np.concatenate([np.asarray(picture(*have)), np.asarray(picture(*have, "L"))[..., None]], axis=2)
    array[:, :, 3] = 255 if opaque else np.where(array[:, :, 3] < 128, 0, array[:, :, 3])
    result = fit_array(array, want, fit)
    if fit == "pad" or (fit == "squash" and want == have[::-1]):
        np.testing.assert_array_equal(
            result,
            np.concatenate([fit_array(array[:, :, :3], want, fit), fit_array(array[:, :, 3:], want, fit)], axis=2),
        )
    if fit == "squash":
        expected = np.asarray(Image.fromarray(array).resize((want[1], want[0]), Image.Resampling.BILINEAR)).astype(int)
        assert abs(result[..., 3] - expected[..., 3]).max() <= 2
        clear = expected[..., 3:] / 255  # where little is left of a colour, its rounding shows
        assert abs((result[..., :3] - expected[..., :3]) * clear).max() <= 4
    if opaque and fit != "pad":
        assert (result[..., 3] == fit_array(np.full_like(array[:, :, :1], 255), want, fit)[..., 0]).all()
        np.testing.assert_array_equal(result[..., :3], fit_array(array[:, :, :3], want, fit))


def test_transparent_colours_do_not_count() -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:10] = (200, 100, 50, 255)
    pixels[10:] = (0, 255, 0, 0)
    image = Image.fromarray(pixels)
    result = np.asarray(fit_image(image, (7, 7), "squash")).astype(int)
    expected = np.asarray(image.resize((7, 7), Image.Resampling.BILINEAR)).astype(int)
    assert abs(result - expected).max() <= 2
    assert abs(result[3, :, :3] - (200, 100, 50)).max() <= 2


@given(have=SIZES, want=SIZES, share=st.floats(0.05, 1))
def test_the_part_is_in_the_middle_and_as_large_as_whole_pixels_allow(
    have: tuple[int, int], want: tuple[int, int], share: float
) -> None:
    left, upper, right, lower = crop_box(have, want, share)
    scale = share * min(have[0] / want[0], have[1] / want[1])
    cut_out = (right - left, lower - upper) == want
    assert abs(left + right - have[0]) <= cut_out
    assert abs(upper + lower - have[1]) <= cut_out
    assert have[0] >= right > left >= 0
    assert have[1] >= lower > upper >= 0
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
        ((341, 256), (256, 256), 1.0, (42, 0, 298, 256)),  # 42.5: the even number
        ((343, 256), (256, 256), 1.0, (44, 0, 300, 256)),  # 43.5
        ((341, 256), (224, 224), 0.875, (58, 16, 282, 240)),  # 58.5
        ((37, 37), (32, 32), 0.875, (2, 2, 34, 34)),
        ((17, 16), (16, 16), 1.0, (0, 0, 16, 16)),
        ((3, 3), (5, 5), 0.01, (1, 1, 2, 2)),
        ((2, 2), (5, 5), 0.01, (0, 0, 2, 2)),
    ],
)
def test_parts(have: tuple[int, int], want: tuple[int, int], share: float, expected: tuple[int, int, int, int]) -> None:
    assert crop_box(have, want, share) == expected


@given(
    want=SIZES,
    extra=st.integers(0, 41),
    across=st.booleans(),
    share=st.sampled_from([1.0, 0.875]),
    channels=st.sampled_from([1, 3, 4, 6]),
)
def test_what_needs_no_scaling_is_cut_out_as_torchvision_does(
    want: tuple[int, int], extra: int, across: bool, share: float, channels: int
) -> None:
    """Pixel by pixel, at offsets of int(round(margin / 2)); odd margins do not cause resampling either."""
    short = [round(side / share) for side in want]
    height, width = (short[0], short[1] + extra) if across else (short[0] + extra, short[1])
    if any(round(side * share * min(height / want[0], width / want[1])) != side for side in want):
        return  # it is scaled
    image = np.random.default_rng(extra).integers(0, 256, (height, width, channels), dtype=np.uint8)
    top, left = round((height - want[0]) / 2.0), round((width - want[1]) / 2.0)
    expected = [[image[top + y, left + x] for x in range(want[1])] for y in range(want[0])]
    np.testing.assert_array_equal(fit_array(image, want, "crop", share), np.array(expected))


@given(have=SIZES, want=SIZES, decoded=st.sampled_from([2, 4, 8]))
def test_a_letterbox_does_not_depend_on_how_large_a_file_was_decoded(
    have: tuple[int, int], want: tuple[int, int], decoded: int
) -> None:
    full = np.full((8 * have[0] + 3, 8 * have[1] + 5, 1), 255, np.uint8)
    smaller = full[: -(-len(full) // decoded), : -(-full.shape[1] // decoded)]
    result = fit_picture(Picture(smaller, (full.shape[0], full.shape[1])), want, "letterbox")
    np.testing.assert_array_equal(result, fit_array(full, want, "letterbox"))


def test_crop_cuts_the_middle() -> None:
    image = Image.new("L", (30, 10), 0)
    image.paste(255, (10, 0, 20, 10))
    assert np.asarray(fit_image(image, (10, 10), "crop")).min() == 255


def test_squash_keeps_everything() -> None:
    image = Image.new("L", (30, 10), 0)
    image.paste(255, (0, 0, 15, 10))
    result = np.asarray(fit_image(image, (10, 10), "squash"))
    assert result[:, :4].min() == 255
    assert result[:, 6:].max() == 0


def test_letterbox_pads_the_shorter_side() -> None:
    result = np.asarray(fit_image(Image.new("L", (30, 10), 255), (12, 12), "letterbox"))
    assert (result[4:8] == 255).all()
    assert result[:4].max() == result[8:].max() == 0


@given(have=SIZES, want=SIZES)
def test_pad_never_scales(have: tuple[int, int], want: tuple[int, int]) -> None:
    image = np.asarray(picture(*have))
    result = np.asarray(fit_image(picture(*have), want, "pad"))
    expected = np.zeros((*want, 3), dtype=np.uint8)
    # Padding before is half, rounded down; of an odd excess, cropping before takes the even number.
    top, left = (
        (wanted - length) // 2 if wanted > length else -round((length - wanted) / 2)
        for wanted, length in zip(want, reversed(have), strict=True)
    )
    for y in range(want[0]):
        for x in range(want[1]):
            if 0 <= y - top < have[1] and 0 <= x - left < have[0]:
                expected[y, x] = image[y - top, x - left]
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(pad_arrays(image[None], want)[0], expected)


@pytest.mark.parametrize("fit", FITS)
def test_the_right_size_is_left_alone(fit: Fit) -> None:
    array = np.asarray(picture(9, 7))
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
    result = np.asarray(fit_image(Image.fromarray(checks.astype(np.uint8)), (8, 8), "squash")).astype(int)
    assert abs(result - 127).max() <= 8, "antialiased"


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
    settings = build(Preprocessing, GOOD)
    assert Preprocessing.model_validate_json(settings.model_dump_json()) == settings
