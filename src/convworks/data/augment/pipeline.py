"""The augmentations of a configuration, in a fixed order: crop, shift, distort, RandAugment, colour, cutout."""

from __future__ import annotations

from collections.abc import Callable

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
from convworks.data.column import COLOURS, Spatial
from convworks.data.config import AugmentConfig
from convworks.errors import InputError

Move = Callable[[Tensor, Spatial], Tensor]  # images, or targets -> the same, moved


def augment(
    images: UInt8[Tensor, "b c h w"],
    noise: Float[Tensor, "b draws"],
    config: AugmentConfig,
    size: tuple[int, ...] | None = None,
) -> UInt8[Tensor, "b c h2 w2"]:
    """Apply the configured augmentations; a pure function of its arguments, and of each sample independently.

    `noise` comes from `draw`; `size` (height, width) is the network's input, if images are stored in another size. The
    order: a crop of that size; shift; flip; crop, affine and elastic as one resampling; RandAugment; jitter; lighting;
    cutout. Mixing (mix.py) follows.
    """
    return augment_together(images, None, COLOURS, noise, config, size)[0]


def augment_together(
    images: UInt8[Tensor, "b c h w"],
    targets: UInt8[Tensor, "b k h w"] | None,
    spatial: Spatial,
    noise: Float[Tensor, "b draws"],
    config: AugmentConfig,
    size: tuple[int, ...] | None = None,
) -> tuple[UInt8[Tensor, "b c h2 w2"], UInt8[Tensor, "b k h2 w2"] | None]:
    """Apply `augment` to images, and to their targets what moves pixels: not what changes colours or blanks a part."""
    have = (images.shape[2], images.shape[3])
    for move in geometry(noise, config, have, have if size is None else (size[0], size[1])):
        images = move(images, COLOURS)
        targets = None if targets is None else move(targets, spatial)
    if config.randaugment is not None:
        drawn = noise[:, Columns.randaugment]
        images = randaugment(images, drawn, config.randaugment)
        targets = None if targets is None else randaugment(targets, drawn, config.randaugment, spatial)
    if config.jitter is not None:
        images = jitter(images, noise[:, Columns.jitter], config.jitter)
    if config.lighting:
        images = lighting(images, noise[:, Columns.lighting], config.lighting)
    if config.cutout:
        images = cutout(images, noise[:, Columns.cutout], config.cutout)
    return images, targets


def geometry(
    noise: Float[Tensor, "b draws"], config: AugmentConfig, have: tuple[int, int], size: tuple[int, int]
) -> list[Move]:
    """Return what moves pixels of samples of size `have` (height, width) into `size`, drawn once for all columns."""
    moves: list[Move] = []
    resized = size != have
    if resized and config.crop is not None:
        boxes = crop_boxes(noise[:, Columns.crop], config.crop, config.crop_largest, config.crop_ratio, have)
        moves.append(lambda images, spatial: resized_crop(images, boxes, size, spatial))
    elif resized:
        moves.append(lambda images, spatial: cut(images, noise[:, Columns.position], size))
    if config.shift:
        reflect = config.border == "reflect"
        moves.append(
            lambda images, spatial: shift(
                images, noise[:, Columns.shift], config.shift, reflect=reflect, fill=spatial.fill
            )
        )
    if config.flip:
        moves.append(lambda images, spatial: flip(images, noise[:, Columns.flip]))
    if (config.crop is not None and not resized) or config.affine is not None or config.elastic is not None:
        matrices, displacement = _distortion(noise, config, size, crop=not resized)
        moves.append(
            lambda images, spatial: warp(
                images, matrices, displacement, config.interpolation, spatial, border=config.border
            )
        )
    return moves


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


def _distortion(
    noise: Float[Tensor, "b draws"], config: AugmentConfig, size: tuple[int, int], *, crop: bool
) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, "b h w 2"] | None]:
    """Return the maps of crop and affine distortions, and the displacement of elastic ones, for one resampling."""
    matrices = torch.eye(3, device=noise.device).expand(len(noise), 3, 3)
    if crop and config.crop is not None:
        crop_noise = noise[:, Columns.crop]
        matrices = crop_matrices(crop_noise, config.crop, size, config.crop_largest, config.crop_ratio) @ matrices
    if config.affine is not None:
        matrices = affine_matrices(noise[:, Columns.affine], config.affine, size) @ matrices
    return matrices, None if config.elastic is None else displacements(noise[:, Columns.elastic], config.elastic, size)
