"""Colour augmentation against Pillow and naive definitions."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from scipy import stats

from convworks.data.augment import colour
from convworks.data.config import JitterConfig

ENHANCERS = {
    "brightness": (colour.brightness, ImageEnhance.Brightness),
    "contrast": (colour.contrast, ImageEnhance.Contrast),
    "saturation": (colour.saturation, ImageEnhance.Color),
}


def pictures(b: int = 5, c: int = 3, h: int = 11, w: int = 7) -> torch.Tensor:
    values = np.random.default_rng(1).integers(0, 256, (b, h, w, c), dtype=np.uint8)
    values[0] = 0
    values[-1, :, :, :] = values[-1, :, :, :1]  # a grey one
    return torch.from_numpy(values).permute(0, 3, 1, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.37, 2.0])
@pytest.mark.parametrize("name", ENHANCERS)
def test_factors_do_what_pillow_does(name: str, factor: float, channels: int) -> None:
    operation, enhancer = ENHANCERS[name]
    images = pictures(c=channels)
    outputs = operation(images, torch.full((len(images),), factor))
    for image, output in zip(images, outputs, strict=True):
        pixels = image.permute(1, 2, 0).numpy()
        expected = np.asarray(enhancer(Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])).enhance(factor))
        assert np.array_equal(output.permute(1, 2, 0).numpy().reshape(expected.shape), expected)


def test_luminance_is_pillows() -> None:
    images = pictures()
    for image, grey in zip(images, colour.luminance(images), strict=True):
        expected = np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L"))
        assert np.array_equal(grey[0].numpy(), expected)


@pytest.mark.parametrize("turn", [0.0, 0.13, 0.5, -0.4])
def test_hue_turns_as_colorsys_does(turn: float) -> None:
    images = pictures()
    outputs = colour.hue(images, torch.full((len(images),), turn)).permute(0, 2, 3, 1).reshape(-1, 3).tolist()
    for before, after in zip(images.permute(0, 2, 3, 1).reshape(-1, 3).tolist(), outputs, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(value / 255 for value in before))
        expected = [255 * value for value in colorsys.hsv_to_rgb((h + turn) % 1, s, v)]
        assert np.abs(np.array(after) - expected).max() <= 0.501
    if turn == 0:
        assert torch.equal(colour.hue(images, torch.zeros(5)), images)


def test_jitter_is_its_parts_in_order() -> None:
    images, noise = pictures(), torch.rand(5, 4)
    config = JitterConfig(brightness=0.4, contrast=0.5, saturation=0.6, hue=0.2)
    unit = 2 * noise - 1
    expected = colour.brightness(images, 1 + 0.4 * unit[:, 0])
    expected = colour.contrast(expected, 1 + 0.5 * unit[:, 1])
    expected = colour.saturation(expected, 1 + 0.6 * unit[:, 2])
    expected = colour.hue(expected, 0.2 * unit[:, 3])
    assert torch.equal(colour.jitter(images, noise, config), expected)
    assert torch.equal(colour.jitter(images, noise, JitterConfig()), images)


def test_lighting_adds_the_principal_components_of_the_paper() -> None:
    images = torch.full((4000, 3, 2, 2), 128, dtype=torch.uint8)
    noise = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    noise[0] = torch.tensor([0.0, 0.5, 1 - 2**-24])  # the ends of the range stay finite
    outputs = colour.lighting(images, noise, 0.1)
    assert (outputs == outputs[:, :, :1, :1]).all(), "all pixels of an image get the same"
    vectors, values = np.array(colour.EIGENVECTORS), np.array(colour.EIGENVALUES)
    normal = stats.norm.ppf(np.clip(noise.double().numpy(), 2**-25, None))
    expected = 128 + 255 * 0.1 * (normal * values) @ vectors.T
    assert np.abs(outputs[:, :, 0, 0].numpy() - expected).max() <= 0.51
    assert np.abs(vectors.T @ vectors - np.eye(3)).max() < 1e-3


def test_lighting_is_cut_off_at_black_and_white() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 1, 1)
    outputs = colour.lighting(images, torch.tensor([[0.9, 0.5, 0.5], [0.1, 0.5, 0.5]]), 1.0)
    assert outputs[0].max() == 0
    assert outputs[1].min() == 255
