"""For the same choices, augmentations give what torchvision gives: shift and flip exactly, others to the rounding."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor

from convworks.data.augment import randaugment
from convworks.data.augment.colour import jitter
from convworks.data.augment.crop import crop_boxes, resized_crop
from convworks.data.augment.pipeline import augment
from convworks.data.augment.pixels import flip, shift
from convworks.data.config import AugmentConfig, JitterConfig

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


def test_jitter_is_adjusting_brightness_contrast_saturation_and_hue() -> None:
    functional = importlib.import_module("torchvision.transforms.v2.functional")
    images, noise = pictures(32), torch.rand(32, 4, generator=torch.Generator().manual_seed(3))
    config = JitterConfig(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    unit = (2 * noise - 1).tolist()
    for image, found, (brightness, contrast, saturation, hue) in zip(
        images, jitter(images, noise, config), unit, strict=True
    ):
        expected = functional.adjust_brightness(image, 1 + 0.4 * brightness)
        expected = functional.adjust_contrast(expected, 1 + 0.4 * contrast)
        expected = functional.adjust_saturation(expected, 1 + 0.4 * saturation)
        expected = functional.adjust_hue(expected, 0.1 * hue)
        difference = (found.int() - expected.int()).abs().float()
        assert difference.mean() < 1.2, "it cuts off where Pillow rounds, three times"
        assert difference.quantile(0.99) <= 5, "and hue turns such a difference into more where colours are faint"


OPERATIONS = {
    "autocontrast": ("autocontrast", ()),
    "equalize": ("equalize", ()),
    "solarize": ("solarize", (64,)),
    "posterize": ("posterize", (5,)),
    "sharpness": ("adjust_sharpness", (1 + 0.9 * 0.75,)),
    "brightness": ("adjust_brightness", (1 + 0.9 * 0.75,)),
    "saturation": ("adjust_saturation", (1 + 0.9 * 0.75,)),
    "contrast": ("adjust_contrast", (1 + 0.9 * 0.75,)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_of_randaugment(name: str) -> None:
    functional = importlib.import_module("torchvision.transforms.v2.functional")
    theirs, values = OPERATIONS[name]
    images = pictures(8)
    found = randaugment.OPERATIONS[name](images, 0.75, torch.ones(8))
    for image, one in zip(images, found, strict=True):
        expected = getattr(functional, theirs)(image, *values)
        assert (one.int() - expected.int()).abs().max() <= 1


def test_resized_crop_is_the_antialiased_one() -> None:
    functional = importlib.import_module("torchvision.transforms.v2.functional")
    images = pictures(16, size=(256, 256))
    boxes = crop_boxes(torch.rand(16, 4), 0.08, 1.0, 4 / 3, (256, 256))
    found = resized_crop(images, boxes, (224, 224))
    for image, one, box in zip(images, found, boxes.tolist(), strict=True):
        assert (one.int() - functional.resized_crop(image, *box, (224, 224), antialias=True).int()).abs().max() <= 1
