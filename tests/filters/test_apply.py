"""The fast path agrees with ops and SciPy, for any stride, padding, size and number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import correlate
from scipy.signal import correlate2d
from thorough import repeats

from convworks.errors import InputError
from convworks.filters.apply import filter_image
from convworks.ops import cross_correlation
from convworks.ops.kernels import KERNELS
from convworks.ops.shape import Padding


def picture(height: int, width: int, channels: int, seed: int = 0) -> tuple[Image.Image, np.ndarray]:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels if channels == 3 else pixels[:, :, 0]), pixels


def definition(pixels: np.ndarray, weights: np.ndarray, stride: int, padding: Padding) -> np.ndarray:
    """Compute [h, w, c] with the operation of ops, channel by channel."""
    images = pixels.transpose(2, 0, 1)[:, None]
    return cross_correlation.forward(images, weights[None, None], stride=stride, padding=padding)[:, 0].transpose(
        1, 2, 0
    )


@settings(max_examples=repeats(20, 60), derandomize=True)
@given(
    size=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    kernel=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    channels=st.sampled_from([1, 3]),
    stride=st.integers(1, 5),
    padding=st.sampled_from(["valid", "full", 0, 1, 9]),
    threads=st.integers(1, 3),
)
def test_the_numbers_are_those_of_the_definition(
    size: tuple[int, int], kernel: tuple[int, int], channels: int, stride: int, padding: str | int, threads: int
) -> None:
    image, pixels = picture(*size, channels)
    weights = np.random.default_rng(1).standard_normal(kernel)
    zeros = padding if isinstance(padding, int) else {"valid": 0, "full": 8}[padding]
    if any(k > n + 2 * zeros for k, n in zip(kernel, size, strict=True)):
        with pytest.raises(InputError, match="must not exceed the padded input"):
            filter_image(image, weights, stride=stride, padding=padding, border="zeros")
        return
    expected = definition(pixels, weights, stride, padding)
    result = filter_image(
        image, weights, stride=stride, padding=padding, border="zeros", signed=True, values=True, threads=threads
    )
    assert result.values is not None
    assert result.signed is not None
    bound = 2e-6 * 255 * np.abs(weights).sum()
    np.testing.assert_allclose(result.values, expected, rtol=0, atol=bound)
    np.testing.assert_allclose(result.signed, expected.mean(2), rtol=0, atol=bound)
    assert (result.height, result.width) == expected.shape[:2]
    assert (result.minimum, result.maximum) == (result.values.min(), result.values.max())
    assert result.mean == pytest.approx(expected.mean(), abs=bound)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("channels", "border", "mode"), [(1, "zeros", "constant"), (3, "replicate", "nearest"), (3, "reflect", "mirror")]
)
def test_the_numbers_are_those_of_scipy(name: str, channels: int, border: str, mode: str) -> None:
    """The image is wide enough for several tiles and strips."""
    image, pixels = picture(70, 9000, channels)
    result = filter_image(image, KERNELS[name], border=border, values=True)
    assert result.values is not None
    for channel in range(channels):
        expected = correlate(pixels[:, :, channel].astype(float), KERNELS[name], mode=mode)
        np.testing.assert_allclose(result.values[:, :, channel], expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("shape", [(101, 101), (1, 101), (101, 1), (2, 4)])
def test_large_and_long_kernels(shape: tuple[int, int]) -> None:
    image, pixels = picture(120, 130, 3)
    weights = np.random.default_rng(2).standard_normal(shape)
    result = filter_image(image, weights, padding="full", border="zeros", values=True)
    assert result.values is not None
    bound = 1e-6 * 255 * np.abs(weights).sum()
    for channel in range(3):
        expected = correlate2d(pixels[:, :, channel].astype(float), weights, mode="full")
        np.testing.assert_allclose(result.values[:, :, channel], expected, rtol=0, atol=bound)


def test_pictures_are_rounded_and_clipped() -> None:
    image, pixels = picture(50, 60, 3)
    result = filter_image(image, KERNELS["sharpen"], border="zeros")
    assert result.picture is not None
    expected = definition(pixels, KERNELS["sharpen"], 1, "same").clip(0, 255)
    np.testing.assert_array_equal(result.picture, expected.astype(np.uint8))
    assert result.minimum < 0
    assert result.maximum > 255
    same = filter_image(image, KERNELS["identity"], padding=1, stride=1)
    np.testing.assert_array_equal(same.picture, pixels)


@pytest.mark.parametrize("name", KERNELS)
def test_a_uniform_image_has_no_edges_by_default(name: str) -> None:
    result = filter_image(Image.new("RGB", (40, 30), (90, 90, 90)), KERNELS[name], padding="full", values=True)
    assert result.values is not None
    np.testing.assert_allclose(result.values, 90 * KERNELS[name].sum(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("border", ["replicate", "reflect"])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (40, 5)])
def test_a_padding_wider_than_the_image(border: str, size: tuple[int, int]) -> None:
    image, pixels = picture(*size, 3)
    weights = np.random.default_rng(3).standard_normal((5, 3))
    mode = {"replicate": "edge", "reflect": "reflect"}[border]
    padded = np.pad(pixels, ((9, 9), (9, 9), (0, 0)), mode=mode)  # type: ignore[call-overload]
    for stride in (1, 2):
        result = filter_image(image, weights, padding=9, border=border, stride=stride, values=True)
        assert result.values is not None
        np.testing.assert_allclose(result.values, definition(padded, weights, stride, 0), rtol=0, atol=5e-3)


def test_a_kernel_of_zeros() -> None:
    result = filter_image(picture(9, 9, 1)[0], np.zeros((3, 3)), signed=True)
    assert result.signed is not None
    assert (result.minimum, result.maximum, result.mean) == (0, 0, 0)
    assert not result.signed.any()


def test_a_padding_without_measure() -> None:
    with pytest.raises(InputError, match="use less padding"):
        filter_image(picture(9, 9, 1)[0], np.ones((3, 3)), padding=10**6)
