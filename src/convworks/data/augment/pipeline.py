"""The augmentations of a configuration, in a fixed order: crop, shift, distort, RandAugment, colour, cutout."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from convworks.data.augment.colour import jitter, lighting
from convworks.data.augment.crop import crop_boxes, cut, resized_crop
from convworks.data.augment.elastic import displacements
from convworks.data.augment.noise import Columns
from convworks.data.augment.pixels import cutout, flip, shift
from convworks.data.augment.randaugment import randaugment
from convworks.data.augment.warp import affine_matrices, crop_matrices, warp
from convworks.data.config import AugmentConfig
from convworks.errors import InputError


def augment(
    images: UInt8[Tensor, "b c h w"],
    noise: Float[Tensor, "b draws"],
    config: AugmentConfig,
    size: tuple[int, int] | None = None,
) -> UInt8[Tensor, "b c h2 w2"]:
    """Apply the configured augmentations; a pure function of its arguments, and of each sample independently.

    `noise` comes from `draw`; `size` (height, width) is the network's input, if images are stored in another size. The
    order: a crop of that size; shift; flip; crop, affine and elastic as one resampling; RandAugment; jitter; lighting;
    cutout. Mixing (mix.py) follows.
    """
    have = (images.shape[2], images.shape[3])
    size = size or have
    resized = size != have
    if resized and config.crop is not None:
        boxes = crop_boxes(noise[:, Columns.crop], config.crop, config.crop_largest, config.crop_ratio, have)
        images = resized_crop(images, boxes, size)
    elif resized:
        images = cut(images, noise[:, Columns.position], size)
    if config.shift:
        images = shift(images, noise[:, Columns.shift], config.shift, reflect=config.border == "reflect")
    if config.flip:
        images = flip(images, noise[:, Columns.flip])
    images = _distorted(images, noise, config, crop=not resized)
    if config.randaugment is not None:
        images = randaugment(images, noise[:, Columns.randaugment], config.randaugment)
    if config.jitter is not None:
        images = jitter(images, noise[:, Columns.jitter], config.jitter)
    if config.lighting:
        images = lighting(images, noise[:, Columns.lighting], config.lighting)
    if config.cutout:
        images = cutout(images, noise[:, Columns.cutout], config.cutout)
    return images


def check_augment(config: AugmentConfig, stored: tuple[int, int], size: tuple[int, int], channels: int) -> None:
    """Raise InputError if images of size `stored` (height, width) cannot be augmented to the network's input `size`."""
    if config.crop is None and (stored[0] < size[0] or stored[1] < size[1]):
        reason = f"stores {stored[0]}x{stored[1]} pixels, too few for crops of {size[0]}x{size[1]}"
        raise InputError("data.stored", reason, "make it at least data.size, or set augment.crop")
    coloured = {
        "augment.jitter.saturation": config.jitter is not None and config.jitter.saturation > 0,
        "augment.jitter.hue": config.jitter is not None and config.jitter.hue > 0,
        "augment.lighting": config.lighting > 0,
    }
    for name, enabled in coloured.items():
        if enabled and channels != 3:
            raise InputError(name, f"needs RGB images, but channels={channels}", "set it to 0")


def _distorted(
    images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b draws"], config: AugmentConfig, *, crop: bool
) -> UInt8[Tensor, "b c h w"]:
    """Apply crop, affine and elastic distortions in one resampling."""
    crop = crop and config.crop is not None
    if not crop and config.affine is None and config.elastic is None:
        return images
    h, w = images.shape[-2:]
    matrices = torch.eye(3, device=images.device).expand(len(images), 3, 3)
    if crop and config.crop is not None:
        crop_noise = noise[:, Columns.crop]
        matrices = crop_matrices(crop_noise, config.crop, (h, w), config.crop_largest, config.crop_ratio) @ matrices
    if config.affine is not None:
        matrices = affine_matrices(noise[:, Columns.affine], config.affine) @ matrices
    displacement = None if config.elastic is None else displacements(noise[:, Columns.elastic], config.elastic, (h, w))
    return warp(images, matrices, displacement, config.interpolation)
