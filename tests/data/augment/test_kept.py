"""Golden digests: a configuration always has the same effect on pixels, so that runs are reproducible."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convworks.data import random
from convworks.data.batches import batches
from convworks.data.config import AffineConfig, AugmentConfig
from convworks.data.decode.images import take
from convworks.data.samples import Samples


def samples(n: int = 40, channels: int = 3, h: int = 24, w: int = 20) -> Samples:
    values = np.arange(n * channels * h * w, dtype=np.uint64)
    pixels = ((values * 2654435761) >> 7) % 256  # the same on every machine
    images = torch.from_numpy(pixels.astype(np.uint8).reshape(n, h, w, channels)).permute(0, 3, 1, 2)
    return Samples(images=images, targets=torch.arange(n) % 4)


def digest(config: AugmentConfig, **how: Any) -> str:
    digest_state = hashlib.sha256()
    for epoch in (0, 1, 7):
        for batch in batches(samples(**how), config, batch_size=16, seed=5, epoch=epoch):
            digest_state.update(batch.images.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
            digest_state.update(batch.targets.numpy().tobytes())
    return digest_state.hexdigest()[:16]


#: Whole pixels are moved or blanked, so that every machine finds the same.
DIGESTS = {
    "nothing": ({}, "3bad3cc38f765064"),
    "shift": ({"shift": 3}, "adcef4c1801db8de"),
    "shift and flip": ({"shift": 4, "border": "reflect", "flip": True}, "c956a536231df375"),
    "cutout": ({"flip": True, "cutout": 7}, "00d2d41fc6b8dee7"),
    "cutmix": ({"shift": 2, "flip": True, "cutmix": 1.0}, "bc456ff6ef11daaa"),
}


@pytest.mark.parametrize(("values", "expected"), DIGESTS.values(), ids=DIGESTS)
def test_digests(values: dict[str, Any], expected: str) -> None:
    assert digest(AugmentConfig.model_validate(values)) == expected


def test_digest_of_grey_images() -> None:
    assert digest(AugmentConfig(shift=2, flip=True, cutout=3), channels=1) == "f141a4a4a30a0bbe"


WARPED = {
    "crop": AugmentConfig(crop=0.35),
    "flip and crop": AugmentConfig(flip=True, crop=0.08),
    "affine": AugmentConfig(affine=AffineConfig(translate=0.1, rotate=20, scale=0.2, squeeze=0.1, shear=0.3)),
    "all": AugmentConfig(
        flip=True, crop=0.5, affine=AffineConfig(translate=0.05, rotate=10, scale=0.1, squeeze=0.2, shear=0.1)
    ),
}


@pytest.mark.parametrize("config", WARPED.values(), ids=WARPED)
def test_crop_and_distortion_of_images_kept_at_the_networks_size(config: AugmentConfig) -> None:
    stored = samples()
    noise = torch.from_numpy(random.noise(5, 3, len(stored), 16))
    expected = warped(take(stored.images, slice(None)), noise, config)
    order = random.order(5, 3, len(stored))
    outputs = torch.cat([batch.images for batch in batches(stored, config, batch_size=16, seed=5, epoch=3)])
    assert torch.equal(outputs, expected[torch.from_numpy(order)])


def warped(images: Tensor, noise: Tensor, config: AugmentConfig) -> Tensor:
    """Apply crop and affine as they are defined, without the functions under test."""
    if config.flip:
        images = torch.where((noise[:, 2] < 0.5)[:, None, None, None], images.flip(3), images)
    matrices = torch.eye(3).expand(len(images), 3, 3)
    zeros, ones = torch.zeros(len(images)), torch.ones(len(images))
    if config.crop is not None:
        area = config.crop + (1 - config.crop) * noise[:, 3]
        ratio = torch.exp((2 * noise[:, 4] - 1) * torch.log(torch.tensor(4 / 3))) * images.shape[2] / images.shape[3]
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        x, y = (2 * noise[:, 5] - 1) * (1 - width), (2 * noise[:, 6] - 1) * (1 - height)
        matrices = torch.stack([width, zeros, x, zeros, height, y, zeros, zeros, ones], 1).view(-1, 3, 3) @ matrices
    if config.affine is not None:
        unit, ranges = 2 * noise[:, 7:13] - 1, config.affine
        x, y = 2 * ranges.translate * unit[:, 0], 2 * ranges.translate * unit[:, 1]
        angle = torch.deg2rad(ranges.rotate * unit[:, 2])
        scale, squeeze, shear = (
            1 + ranges.scale * unit[:, 3],
            1 + ranges.squeeze * unit[:, 4],
            ranges.shear * unit[:, 5],
        )
        cos, sin, first, second = angle.cos(), angle.sin(), scale * squeeze, scale / squeeze
        longer = images.shape[2] / images.shape[3]  # coordinates are -1..1 along each side, angles those of pixels
        rows = [
            *(first * cos, first * (shear * cos - sin) * longer, x),
            *(second * sin / longer, second * (shear * sin + cos), y),
        ]
        matrices = torch.stack([*rows, zeros, zeros, ones], 1).view(-1, 3, 3) @ matrices
    grid = F.affine_grid(matrices[:, :2], list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, align_corners=False).round().to(torch.uint8)
