"""Geometry moves masks with their images; colours and blanks are for images alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from convworks.data.augment.noise import draw
from convworks.data.augment.pipeline import augment, augment_together
from convworks.data.augment.randaugment import OPERATIONS, randaugment
from convworks.data.batches import Part, batches
from convworks.data.column import Spatial
from convworks.data.config import AugmentConfig, RandAugmentConfig
from convworks.data.samples import Samples

IGNORED = 255
MASK = Spatial(nearest=True, fill=IGNORED)
LIGHT = 200


def blocks(n: int, h: int, w: int) -> Tensor:
    """Make images of large squares of 0 and 200."""
    coarse = torch.randint(0, 2, (n, 1, -(-h // 8), -(-w // 8)), generator=torch.Generator().manual_seed(0))
    pixels = LIGHT * coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)[:, :, :h, :w]
    return pixels.to(torch.uint8).contiguous(memory_format=torch.channels_last)


def together(
    images: Tensor, masks: Tensor, config: AugmentConfig, size: tuple[int, int], spatial: Spatial = MASK
) -> tuple[Tensor, Tensor]:
    rows = draw(config, 3, 0, len(images), resized=size != tuple(images.shape[2:]))
    assert rows is not None
    noise = torch.from_numpy(rows)
    moved, masks_moved = augment_together(images, masks, spatial, noise, config, size)
    assert torch.equal(moved, augment(images, noise, config, size)), "images are augmented as they are alone"
    assert masks_moved is not None
    return moved, masks_moved


EXACT = {
    "flip": AugmentConfig(flip=True),
    "cut": AugmentConfig(flip=True),
    "reflected shift": AugmentConfig(shift=5, border="reflect"),
    "shift": AugmentConfig(shift=5, flip=True),
}


@pytest.mark.parametrize("name", EXACT)
def test_an_image_that_equals_its_mask_still_does_after_whole_pixels_have_moved(name: str) -> None:
    images = torch.randint(1, 200, (6, 1, 32, 24), dtype=torch.uint8)
    moved, masks = together(images, images, EXACT[name], (20, 16) if name == "cut" else (32, 24))
    outside = moved == 0
    assert bool(outside.any()) == (name == "shift")
    assert torch.equal(masks, torch.where(outside, IGNORED, moved))


RESAMPLED = {
    "crop": AugmentConfig(crop=0.3),
    "resized crop": AugmentConfig(crop=0.3, flip=True),
    "affine": AugmentConfig.model_validate({"affine": {"rotate": 40, "translate": 0.2, "shear": 0.3, "scale": 0.2}}),
    "elastic": AugmentConfig.model_validate({"elastic": {"alpha": 20}, "interpolation": "bicubic"}),
}


@pytest.mark.parametrize("name", RESAMPLED)
def test_an_image_that_equals_its_mask_still_does_where_resampling_does_not_blur_it(name: str) -> None:
    images = blocks(24, 64, 48)
    size = (40, 40) if name == "resized crop" else (64, 48)
    nothing_outside = Spatial(nearest=True)
    moved, masks = together(images, images, RESAMPLED[name], size, nothing_outside)
    assert set(masks.flatten().tolist()) == {0, LIGHT}, "numbers of classes are not interpolated"
    sharp = (moved == 0) | (moved == LIGHT)
    assert torch.equal(moved[sharp], masks[sharp])
    assert sharp.float().mean() > 0.5


@pytest.mark.parametrize("kind", ["affine", "randaugment"])
def test_what_comes_in_from_outside_has_the_fill_of_the_column(kind: str) -> None:
    images = torch.full((8, 1, 32, 32), 7, dtype=torch.uint8)
    settings = {"affine": {"translate": 0.4, "rotate": 30}, "randaugment": {"operations": 3, "magnitude": 6}}
    config = AugmentConfig.model_validate({kind: settings[kind]})
    _, masks = together(images, images, config, (32, 32))
    assert set(masks.flatten().tolist()) == {7, IGNORED}


def test_what_is_mirrored_has_a_class() -> None:
    images = blocks(8, 64, 48)
    mirrored = {"elastic": {"alpha": 60, "sigma": 6}, "affine": {"translate": 0.3, "rotate": 30}, "border": "reflect"}
    moved, masks = together(images, images, AugmentConfig.model_validate(mirrored), (64, 48))
    assert set(masks.flatten().tolist()) == {0, LIGHT}
    sharp = (moved == 0) | (moved == LIGHT)
    assert torch.equal(moved[sharp], masks[sharp])


def test_colours_and_blanks_are_for_images_alone() -> None:
    images = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    masks = torch.randint(0, 5, (6, 1, 16, 16), dtype=torch.uint8)
    config = AugmentConfig.model_validate(
        {"cutout": 6, "lighting": 0.3, "jitter": {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.2}}
    )
    moved, after = together(images, masks, config, (16, 16))
    assert torch.equal(after, masks)
    assert not torch.equal(moved, images)


@pytest.mark.parametrize("operation", ["shear x", "shear y", "translate x", "translate y", "rotate"])
def test_masks_follow_the_moves_of_randaugment(operation: str) -> None:
    images = blocks(4, 64, 48)
    noise = torch.zeros(4, 16)
    noise[:, 0] = (list(OPERATIONS).index(operation) + 0.5) / len(OPERATIONS)
    noise[:, 1] = torch.tensor([0.2, 0.8, 0.2, 0.8])
    config = RandAugmentConfig(operations=1, magnitude=5)
    moved, masks = randaugment(images, noise, config), randaugment(images, noise, config, Spatial(nearest=True))
    sharp = (moved == 0) | (moved == LIGHT)
    assert torch.equal(moved[sharp], masks[sharp])
    assert not torch.equal(masks, images)
    assert set(masks.flatten().tolist()) == {0, LIGHT}


def test_cutmix_pastes_the_masks_of_the_box_too() -> None:
    images = torch.randint(1, 200, (24, 1, 16, 12), dtype=torch.uint8)
    samples = Samples(images=images, targets=images, spatial=MASK)
    config = AugmentConfig(flip=True, cutmix=1.0)
    whole = list(batches(samples, config, batch_size=8, seed=0, epoch=0))
    for batch in whole:
        assert torch.equal(batch.targets, batch.images[:, 0].long())
        assert (batch.others, batch.weight) == (None, 1.0)
    unmixed = torch.cat(
        [batch.images for batch in batches(samples, AugmentConfig(flip=True), batch_size=8, seed=0, epoch=0)]
    )
    assert not torch.equal(torch.cat([batch.images for batch in whole]), unmixed)
    parts = [list(batches(samples, config, batch_size=8, seed=0, epoch=0, part=Part(rank, 2))) for rank in range(2)]
    for batch, *pieces in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([piece.targets for piece in pieces]), batch.targets)
