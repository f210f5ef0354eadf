"""What is observed of a picture: the operator of super-resolution, pixels that are held out, masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from convworks.restoration.observation import as_pixels, as_tensor, coarse, downsampling, held_out, lanczos, observe


def window(x: float) -> float:
    """Return Lanczos' window with two lobes."""
    if abs(x) >= 2:
        return 0.0
    return 1.0 if x == 0 else 2 * math.sin(math.pi * x) * math.sin(math.pi * x / 2) / (math.pi * x) ** 2


@pytest.mark.parametrize(("size", "scale"), [(3, 2), (5, 4), (4, 3)])
def test_a_line_is_reduced_as_the_definition_says(size: int, scale: int) -> None:
    matrix = lanczos(size, scale).numpy()
    for row in range(size):
        centre = (row + 0.5) * scale - 0.5
        weights = [window((column - centre) / scale) for column in range(size * scale)]
        assert matrix[row] == pytest.approx(np.array(weights) / sum(weights), abs=1e-6)


def test_reducing_keeps_a_constant_and_mirrors_with_the_picture() -> None:
    reduce = downsampling(6, 5, 4)
    assert reduce(torch.full((1, 3, 24, 20), 0.25)).numpy() == pytest.approx(np.full((1, 3, 6, 5), 0.25), abs=1e-6)
    image = torch.rand(1, 1, 24, 20, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(reduce(image.flip(3)), reduce(image).flip(3), atol=1e-6)


def test_pixels_that_are_held_out_are_known_and_depend_on_the_seed() -> None:
    known = torch.zeros(1, 1, 20, 30, dtype=torch.bool)
    known[:, :, 5:15, 10:20] = True
    first, again, other = held_out(known, 0), held_out(known, 0), held_out(known, 1)
    assert len(first) == len(set(first.tolist())) == 5
    assert bool(known.flatten()[first].all())
    assert first.tolist() == again.tolist() != other.tolist()


def test_known_pixels_are_kept_where_only_others_are_wanted() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    known = np.zeros((4, 6), dtype=bool)
    known[:2] = True
    output = torch.zeros(1, 3, 4, 6)
    assert np.array_equal(as_pixels(observe(pixels, known, composed=True).finish(output))[:2], pixels[:2])
    assert not as_pixels(observe(pixels, known, composed=True).finish(output))[2:].any()
    assert not as_pixels(observe(pixels, known).finish(output)).any()


@pytest.mark.parametrize(("size", "scale"), [((32, 48), 1), ((8, 12), 4), ((40, 13), 1)])
def test_a_coarse_picture_is_the_means_of_blocks_of_pixels_that_count(size: tuple[int, int], scale: int) -> None:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
    weight = draw.integers(0, 2, size)
    weight[: 16 // scale, : 16 // scale] = 0  # a block without any
    result = coarse(observe(pixels, scale=scale), torch.from_numpy(weight).float()[None, None], 16)
    restored = [length * scale for length in size]
    blocks = [-(-length // 16) for length in restored]
    means = np.empty((*blocks, 3))
    for row, column in np.ndindex(*blocks):
        rows, columns = (
            slice(place * length // count, -(-(place + 1) * length // count))
            for place, length, count in zip((row, column), size, blocks, strict=True)
        )
        counted = weight[rows, columns] == 1
        means[row, column] = (pixels[rows, columns][counted] if counted.any() else pixels[weight == 1]).mean(0) / 255
    small = torch.from_numpy(means.astype(np.float32)).permute(2, 0, 1)[None]
    large = torch.nn.functional.interpolate(small, restored, mode="bicubic")
    torch.testing.assert_close(result, large)


def test_pixels_become_values_and_pixels_again_from_arrays_that_cannot_be_written() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 1), dtype=np.uint8)
    pixels.flags.writeable = False
    assert np.array_equal(as_pixels(as_tensor(pixels)), pixels)
