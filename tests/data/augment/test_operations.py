"""RandAugment's operations against Pillow, exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from convworks.data.augment import operations
from convworks.data.augment.randaugment import OPERATIONS, randaugment
from convworks.data.config import RandAugmentConfig

Pair = tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[Image.Image], Image.Image]]


def pictures(c: int = 3, h: int = 13, w: int = 9) -> torch.Tensor:
    random = np.random.default_rng(2)
    kinds = [
        random.integers(0, 256, (h, w, c)),
        random.integers(100, 120, (h, w, c)),
        np.full((h, w, c), 77),
        np.where(random.random((h, w, c)) < 0.9, 3, 250),
        random.normal(128, 30, (h, w, c)).clip(0, 255),
    ]
    return torch.from_numpy(np.stack(kinds).astype(np.uint8)).permute(0, 3, 1, 2)


def _sharpness(factor: float) -> Pair:
    return (
        lambda images: operations.sharpness(images, torch.full((len(images),), factor)),
        lambda image: ImageEnhance.Sharpness(image).enhance(factor),
    )


EXACT: dict[str, Pair] = {
    "autocontrast": (operations.autocontrast, ImageOps.autocontrast),
    "equalize": (operations.equalize, ImageOps.equalize),
    "posterize 4": (lambda images: operations.posterize(images, 4), lambda image: ImageOps.posterize(image, 4)),
    "posterize 8": (lambda images: operations.posterize(images, 8), lambda image: ImageOps.posterize(image, 8)),
    "solarize": (lambda images: operations.solarize(images, 110.0), lambda image: ImageOps.solarize(image, 110)),
    **{f"sharpness {factor}": _sharpness(factor) for factor in (0.0, 0.4, 1.9)},
}


@pytest.mark.parametrize("size", [(13, 9), (40, 50), (1, 1), (1, 7), (2, 2)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", EXACT)
def test_as_pillow_does(name: str, channels: int, size: tuple[int, int]) -> None:
    operation, reference = EXACT[name]
    images = pictures(channels, *size)
    for image, output in zip(images, operation(images), strict=True):
        pixels = image.permute(1, 2, 0).numpy()
        expected = np.asarray(reference(Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])))
        assert np.array_equal(output.permute(1, 2, 0).numpy().reshape(expected.shape), expected)


MAPS: dict[str, Callable[[int, int, float], tuple[float, ...]]] = {
    "shear x": lambda h, w, sign: (1, 0.3 * sign, 0, 0, 1, 0),
    "shear y": lambda h, w, sign: (1, 0, 0, 0.3 * sign, 1, 0),
    "translate x": lambda h, w, sign: (1, 0, 150 / 331 * w * sign, 0, 1, 0),
    "translate y": lambda h, w, sign: (1, 0, 0, 0, 1, 150 / 331 * h * sign),
}


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("name", [*MAPS, "rotate"])
def test_maps_go_where_pillows_go(name: str, sign: float) -> None:
    """Away from the border, where Pillow does not blend with the outside."""
    y, x = np.mgrid[0:60, 0:80]
    smooth = np.stack([128 + 100 * np.sin(x / 9 + y / 13), 128 + 100 * np.cos(x / 11), 3.0 * x], 2).astype(np.uint8)
    output = OPERATIONS[name](torch.from_numpy(smooth).permute(2, 0, 1)[None], 1.0, torch.tensor([sign]))
    white = np.zeros((60, 80), np.uint8)
    white[2:-2, 2:-2] = 255
    images = Image.fromarray(smooth), Image.fromarray(white)
    if name == "rotate":
        turned = [one.rotate(30 * sign, Image.Resampling.BILINEAR) for one in images]
    else:
        data = MAPS[name](60, 80, sign)
        turned = [one.transform(one.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR) for one in images]
    inside = np.asarray(turned[1]) == 255
    difference = np.abs(output[0].permute(1, 2, 0).numpy().astype(int) - np.asarray(turned[0]))[inside]
    assert inside.sum() > 1500
    assert difference.max() <= 2
    assert difference.mean() < 0.7


def test_every_operation_comes_equally_often_and_alone_changes_what_it_should() -> None:
    images = pictures()[4:].expand(2800, 3, 13, 9)
    noise = torch.rand(2800, 16, generator=torch.Generator().manual_seed(3))
    output = randaugment(images, noise, RandAugmentConfig(operations=1, magnitude=6))
    names = list(OPERATIONS)
    assert len(names) == 14
    for number, name in enumerate(names):
        here = torch.nonzero((noise[:, 0] * 14).long() == number)[:, 0]
        assert 150 < len(here) < 250
        signs = torch.where(noise[here, 1] < 0.5, -1.0, 1.0)
        assert torch.equal(output[here], OPERATIONS[name](images[here], 0.6, signs))


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ("autocontrast", "equalize")])
def test_magnitude_zero_changes_nothing(name: str) -> None:
    images = pictures()
    assert torch.equal(OPERATIONS[name](images, 0.0, torch.ones(5)), images)
