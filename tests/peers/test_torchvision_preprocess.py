"""Decoding and resizing give what torchvision gives, on real photographs."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from convworks.data.column import Files
from convworks.data.config import Fit
from convworks.data.decode.decode import probe
from convworks.data.decode.load import load_images
from convworks.data.decode.picture import picture_of
from convworks.data.decode.preprocess import Preprocessing, fit_array, to_input
from convworks.data.sources.open import open_source
from convworks.inference.protocol import named, views

pytestmark = pytest.mark.peers


def ours(folder: Path, files: list[Path], size: tuple[int, int], fit: Fit) -> Tensor:
    """Load files as every command of convworks does."""
    (split,) = open_source(folder).splits.values()
    assert isinstance(split.inputs, Files)
    positions = {file.name: number for number, file in enumerate(split.inputs.files)}
    chosen = split.select(np.array([positions[file.name] for file in files]))
    return load_images(chosen, Preprocessing(size=size, channels=3, fit=fit, mean=(0,) * 3, std=(1,) * 3))


def theirs(files: list[Path], transform: list[object]) -> Tensor:
    """Load files with torchvision's own decoder and its tensor (not Pillow) transforms."""
    io, v2 = importlib.import_module("torchvision.io"), importlib.import_module("torchvision.transforms.v2")
    images = [
        v2.Compose(transform)(io.decode_image(str(file), mode=io.ImageReadMode.RGB, apply_exif_orientation=True))
        for file in files
    ]
    return torch.stack(images)


def difference(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference of each image, in grey levels of 255."""
    assert one.shape == other.shape
    assert one.dtype == other.dtype == torch.uint8
    return (one.short() - other.short()).abs().float().mean((1, 2, 3))


@pytest.mark.parametrize("size", [(32, 32), (96, 96), (224, 224), (120, 200)])
def test_squash_is_resize(data: Path, size: tuple[int, int]) -> None:
    v2 = importlib.import_module("torchvision.transforms.v2")
    files = sorted((data / "photos").iterdir())[::2]
    found = difference(ours(data / "photos", files, size, "squash"), theirs(files, [v2.Resize(size, antialias=True)]))
    assert found.mean() <= 1
    assert found.max() <= 4, "decoding at a half or a quarter shows a little"


@pytest.mark.parametrize("side", [48, 96, 240])
def test_crop_is_resize_then_center_crop(data: Path, side: int) -> None:
    """Only where torchvision's whole-pixel sizes and offsets of the scaled image are exact.

    Ours is cut out before scaling, in whole pixels of the file, and exactly in the middle: elsewhere the two are up to
    half a pixel apart, and differ by 2 grey levels on average.
    """

    def exact(file: Path) -> bool:
        short, long = sorted((probe(file).width, probe(file).height))
        return long * side % short == 0 and (long * side // short - side) % 2 == 0

    v2 = importlib.import_module("torchvision.transforms.v2")
    files = [file for file in sorted((data / "photos").iterdir()) if exact(file)]
    assert len(files) >= 20
    transform = [v2.Resize(side, antialias=True), v2.CenterCrop(side)]
    found = difference(ours(data / "photos", files, (side, side), "crop"), theirs(files, transform))
    assert found.mean() <= 1
    assert found.max() <= 4, "decoding at a half or a quarter shows a little"


@pytest.mark.parametrize("size", [(256, 341), (341, 256), (256, 343), (257, 256), (256, 256), (240, 999)])
@pytest.mark.parametrize("side", [224, 223])
def test_crops_of_an_image_that_needs_no_scaling_are_exactly_torchvisions(size: tuple[int, int], side: int) -> None:
    """Whole pixels, at the same offsets, of odd margins as of even ones."""
    v2 = importlib.import_module("torchvision.transforms.v2")
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8))
    picture = picture_of(image.permute(1, 2, 0).numpy())
    short = min(size)
    wanted = Preprocessing(
        size=(side, side), channels=3, fit="crop", mean=(0,) * 3, std=(1,) * 3, crop_fraction=side / short
    )
    assert torch.equal(torch.from_numpy(to_input(picture, wanted)).permute(2, 0, 1), v2.CenterCrop(side)(image))
    frame = round(side * 256 / 224)
    if short == frame:
        crops = v2.TenCrop(side)(v2.CenterCrop(frame)(image))[:5]
        for view, crop in zip(views(picture, named("ten-crop"), wanted), crops, strict=True):
            assert torch.equal(torch.from_numpy(view).permute(2, 0, 1), crop)


@pytest.mark.parametrize("have", [(20, 31), (33, 41), (40, 20), (27, 27)])
def test_pad_is_center_crop(have: tuple[int, int]) -> None:
    """It pads what is too small and cuts what is too large, at the same offsets."""
    v2 = importlib.import_module("torchvision.transforms.v2")
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, *have), dtype=np.uint8))
    found = fit_array(image.permute(1, 2, 0).numpy(), (28, 30), "pad")
    assert torch.equal(torch.from_numpy(found).permute(2, 0, 1), v2.CenterCrop((28, 30))(image))
