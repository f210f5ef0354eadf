"""Shift and flip give, for the same choices, exactly what torchvision gives."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor

from convworks.data.augment.pipeline import augment
from convworks.data.augment.pixels import flip, shift
from convworks.data.config import AugmentConfig

pytestmark = pytest.mark.peers
BORDERS = [("background", "constant"), ("reflect", "reflect")]


def pictures(count: int, channels: int = 3, size: tuple[int, int] = (32, 28)) -> Tensor:
    return torch.randint(
        0, 256, (count, channels, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def padded_crop(image: Tensor, pixels: int, padding: str, top: int, left: int) -> Tensor:
    """Pad on all sides, then crop at an offset into the padded image."""
    functional = importlib.import_module("torchvision.transforms.v2.functional")
    padded = functional.pad(image, [pixels] * 4, fill=0, padding_mode=padding)
    cropped: Tensor = functional.crop(padded, top, left, *image.shape[-2:])
    return cropped


@pytest.mark.parametrize(("border", "padding"), BORDERS)
@pytest.mark.parametrize("pixels", [1, 4])
def test_shift_is_the_crop_of_the_padded_image_at_every_offset(pixels: int, border: str, padding: str) -> None:
    span = 2 * pixels + 1
    offsets = torch.cartesian_prod(torch.arange(span), torch.arange(span))
    images = pictures(len(offsets))
    found = shift(images, (offsets + 0.5) / span, pixels, reflect=border == "reflect")
    for image, moved, (top, left) in zip(images, found, offsets.tolist(), strict=True):
        assert torch.equal(moved, padded_crop(image, pixels, padding, top, left))


def test_flip_is_the_horizontal_flip() -> None:
    functional = importlib.import_module("torchvision.transforms.v2.functional")
    images, noise = pictures(6, channels=1), torch.tensor([0.0, 0.49, 0.5, 0.99, 0.2, 0.7])
    for image, found, number in zip(images, flip(images, noise), noise, strict=True):
        assert torch.equal(found, functional.horizontal_flip(image) if number < 0.5 else image)


@pytest.mark.parametrize(("border", "padding"), BORDERS)
def test_shift_then_flip_as_training_does_it(border: str, padding: str) -> None:
    functional = importlib.import_module("torchvision.transforms.v2.functional")
    images, noise = pictures(64), torch.rand(64, 16, generator=torch.Generator().manual_seed(2))
    found = augment(images, noise, AugmentConfig.model_validate({"shift": 4, "border": border, "flip": True}))
    for image, varied, numbers in zip(images, found, noise, strict=True):
        top, left = (numbers[:2] * 9).long().tolist()
        cropped = padded_crop(image, 4, padding, top, left)
        assert torch.equal(varied, functional.horizontal_flip(cropped) if numbers[2] < 0.5 else cropped)
