"""Shift, flip and planar maps against padding, mirrors and matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.data.augment.pixels import flip, shift
from convworks.data.augment.warp import affine_matrices, crop_matrices, warp
from convworks.data.column import COLOURS, Spatial
from convworks.data.config import AffineConfig


def pictures(b: int = 6, c: int = 3, h: int = 9, w: int = 7, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (b, c, h, w), generator=generator, dtype=torch.uint8)


@settings(max_examples=repeats(20, 50))
@given(st.integers(1, 4), st.integers(1, 3), st.integers(5, 9), st.integers(5, 9), st.integers(0, 4), st.booleans())
def test_shift_is_a_crop_of_the_padded_image(b: int, c: int, h: int, w: int, pixels: int, reflect: bool) -> None:
    images, noise = pictures(b, c, h, w), torch.rand(b, 2)
    moved_images = shift(images, noise, pixels, reflect=reflect)
    mode = "reflect" if reflect else "constant"
    for index in range(b):
        dy, dx = (int(v) for v in (noise[index] * (2 * pixels + 1)).long())
        padded = np.pad(images[index].numpy(), ((0, 0), (pixels, pixels), (pixels, pixels)), mode=mode)  # type: ignore[call-overload]
        assert np.array_equal(moved_images[index].numpy(), padded[:, dy : dy + h, dx : dx + w])


def test_shift_reaches_every_offset_equally() -> None:
    image = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
    image[0, 0, 2, 2] = 1
    noise = torch.rand(9_000, 2, generator=torch.Generator().manual_seed(0))
    counts = shift(image.expand(9_000, 1, 5, 5), noise, 1).long().sum((0, 1))
    assert counts[1:4, 1:4].sum() == 9_000
    assert counts[1:4, 1:4].min() > 850


@pytest.mark.parametrize("side", [9, 80])
def test_flip_mirrors_those_below_a_half(side: int) -> None:
    images = pictures(4, w=side, h=side)
    moved_images = flip(images, torch.tensor([0.1, 0.9, 0.49, 0.5]))
    assert torch.equal(moved_images[[0, 2]], images[[0, 2]].flip(3))
    assert torch.equal(moved_images[[1, 3]], images[[1, 3]])


def test_the_identity_map_changes_nothing() -> None:
    images = pictures()
    assert torch.equal(warp(images, torch.eye(3).expand(6, 3, 3)), images)
    still = AffineConfig()
    assert torch.equal(warp(images, affine_matrices(torch.rand(6, 6), still, images.shape[2:])), images)


def test_translation_by_whole_pixels_is_a_shift() -> None:
    images = pictures(1, 1, 10, 10)
    config = AffineConfig(translate=0.2)  # up to two of ten pixels
    noise = torch.tensor([[1.0, 0.5, 0.5, 0.5, 0.5, 0.5]])  # fully in x
    moved = warp(images, affine_matrices(noise, config, images.shape[2:]))
    assert torch.equal(moved[..., :8], images[..., 2:])
    assert moved[..., 8:].sum() == 0


@pytest.mark.parametrize(
    ("interpolation", "weights"), [("bilinear", [0.5, 0.5]), ("bicubic", [-0.09375, 0.59375, 0.59375, -0.09375])]
)
def test_half_a_pixel_is_read_with_the_weights_of_the_kernel(
    interpolation: Literal["bilinear", "bicubic"], weights: list[float]
) -> None:
    # Keys 1981, with the slope of -0.75 at a distance of 1 that libraries for images take.
    images = pictures(3, 1, 10, 12)
    moved = torch.tensor([0.5, 0.0]).expand(3, 10, 12, 2)
    moved_images = warp(images, torch.eye(3).expand(3, 3, 3), moved, interpolation)
    expected = F.conv2d(images.float(), torch.tensor(weights).view(1, 1, 1, -1)).clamp(0, 255)
    inside = slice(len(weights) // 2 - 1, len(weights) // 2 - 1 + expected.shape[3])
    torch.testing.assert_close(moved_images[..., inside].float(), expected, atol=0.51, rtol=0)
    assert torch.equal(warp(images, torch.eye(3).expand(3, 3, 3), None, interpolation), images)


@pytest.mark.parametrize("spatial", [COLOURS, Spatial(nearest=True, fill=255)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_mirrored_borders_are_those_of_a_padded_image(
    interpolation: Literal["bilinear", "bicubic"], spatial: Spatial
) -> None:
    images, around = pictures(3, 2, 12, 14), 9
    moved = 14 * torch.rand(3, 12, 14, 2, generator=torch.Generator().manual_seed(1)) - 7
    still = torch.eye(3).expand(3, 3, 3)
    mirrored = warp(images, still, moved, interpolation, spatial, border="reflect")
    sides = ((0, 0), (0, 0), (around, around), (around, around))
    padded = torch.from_numpy(np.pad(images.numpy(), sides, "reflect"))
    moved_inside = F.pad(moved, (0, 0, around, around, around, around))
    larger = warp(padded, still, moved_inside, interpolation, spatial)
    expected = larger[:, :, around:-around, around:-around]
    torch.testing.assert_close(mirrored.float(), expected.float(), atol=0 if spatial.nearest else 1, rtol=0)


@pytest.mark.parametrize("size", [(24, 24), (18, 40), (64, 16)])
def test_scale_squeeze_and_rotation_keep_what_they_should(size: tuple[int, int]) -> None:
    noise = torch.rand(100, 6)
    squeezed = affine_matrices(noise, AffineConfig(squeeze=0.3), size)
    torch.testing.assert_close(torch.linalg.det(squeezed), torch.ones(100))
    pixels = torch.diag(torch.tensor([size[1] / 2, size[0] / 2]))
    turned = pixels @ affine_matrices(noise, AffineConfig(rotate=30), size)[:, :2, :2] @ pixels.inverse()
    torch.testing.assert_close(turned @ turned.mT, torch.eye(2).expand(100, 2, 2), atol=1e-5, rtol=0)
    scaled = affine_matrices(noise, AffineConfig(scale=0.2), size)
    assert scaled[:, 0, 0].min() >= 0.8
    assert scaled[:, 0, 0].max() <= 1.2


@pytest.mark.parametrize("size", [(8, 8), (8, 16), (16, 8)])
def test_a_quarter_turn_is_that_of_numpy(size: tuple[int, int]) -> None:
    images = pictures(1, 1, *size)
    matrices = affine_matrices(torch.tensor([[0.5, 0.5, 1.0, 0.5, 0.5, 0.5]]), AffineConfig(rotate=90), size)
    rows, columns = (slice(side // 2 - 4, side // 2 + 4) for side in size)
    turned = warp(images, matrices)[0, 0, rows, columns].numpy()
    np.testing.assert_array_equal(turned, np.rot90(images[0, 0, rows, columns].numpy()))


@given(st.floats(0.05, 1), st.integers(4, 40), st.integers(4, 40))
def test_crops_stay_inside_and_keep_their_share(smallest: float, h: int, w: int) -> None:
    matrices = crop_matrices(torch.rand(64, 4), smallest, (h, w))
    corners = torch.tensor([[-1.0, -1.0, 1.0], [1.0, 1.0, 1.0]]).T
    assert (matrices[:, :2] @ corners).abs().max() <= 1 + 1e-5
    area = matrices[:, 0, 0] * matrices[:, 1, 1]
    assert area.max() <= 1 + 1e-5
