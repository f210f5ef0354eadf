"""RandAugment (Cubuk et al. 2020): a few of fourteen operations per image, all of one magnitude."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from convworks.data.augment.colour import brightness, contrast, saturation
from convworks.data.augment.operations import autocontrast, equalize, posterize, sharpness, solarize
from convworks.data.augment.warp import warp
from convworks.data.column import COLOURS, Spatial
from convworks.data.config import RandAugmentConfig

Operation = Callable[[Tensor, float, Tensor], Tensor]  # images, magnitude in 0 to 1, signs
Move = Callable[[Tensor, float, Tensor, Spatial], Tensor]


def randaugment(
    images: UInt8[Tensor, "b c h w"],
    noise: Float[Tensor, "b draws"],
    config: RandAugmentConfig,
    spatial: Spatial | None = None,
) -> UInt8[Tensor, "b c h w"]:
    """Apply the operations drawn for each image, one after another (algorithm 1 of the paper).

    Of each pair of numbers, the first chooses the operation, uniformly, and the second the sign of its magnitude.
    Targets, which are `spatial`, are moved as their images are; operations on colours leave them unchanged.
    """
    names = list(OPERATIONS)
    for i in range(config.operations):
        chosen = (noise[:, 2 * i] * len(names)).long()
        signs = torch.where(noise[:, 2 * i + 1] < 0.5, -1.0, 1.0)
        pixels = images.permute(0, 2, 3, 1).clone()  # in this order the pixels of a sample are contiguous
        for number, name in enumerate(names):
            group = torch.nonzero(chosen == number)[:, 0]
            if len(group) and name != "identity" and (spatial is None or name in MOVES):
                drawn = (images[group], config.magnitude / 10, signs[group])
                varied = OPERATIONS[name](*drawn) if spatial is None else MOVES[name](*drawn, spatial)
                pixels[group] = varied.permute(0, 2, 3, 1)
        images = pixels.permute(0, 3, 1, 2)
    return images


def _matrices(signs: Tensor, rows: list[list[float]]) -> Float[Tensor, "b 3 3"]:
    """Return one map for each sign: the identity, and the rows times the sign."""
    identity = torch.eye(3, device=signs.device)
    change = torch.tensor([*rows, [0.0, 0.0, 0.0]], device=signs.device)
    return identity + signs[:, None, None] * change


def _shear_x(images: Tensor, magnitude: float, signs: Tensor, spatial: Spatial = COLOURS) -> Tensor:
    slope = SHEAR * magnitude * images.shape[2] / images.shape[3]
    return warp(
        images, _matrices(signs, [[0.0, slope, slope], [0.0, 0.0, 0.0]]), spatial=spatial
    )  # the upper edge stays in place


def _shear_y(images: Tensor, magnitude: float, signs: Tensor, spatial: Spatial = COLOURS) -> Tensor:
    slope = SHEAR * magnitude * images.shape[3] / images.shape[2]
    return warp(images, _matrices(signs, [[0.0, 0.0, 0.0], [slope, 0.0, slope]]), spatial=spatial)


def _translate_x(images: Tensor, magnitude: float, signs: Tensor, spatial: Spatial = COLOURS) -> Tensor:
    return warp(images, _matrices(signs, [[0.0, 0.0, 2 * TRANSLATE * magnitude], [0.0, 0.0, 0.0]]), spatial=spatial)


def _translate_y(images: Tensor, magnitude: float, signs: Tensor, spatial: Spatial = COLOURS) -> Tensor:
    return warp(images, _matrices(signs, [[0.0, 0.0, 0.0], [0.0, 0.0, 2 * TRANSLATE * magnitude]]), spatial=spatial)


def _rotate(images: Tensor, magnitude: float, signs: Tensor, spatial: Spatial = COLOURS) -> Tensor:
    angle = math.radians(ROTATE * magnitude)
    ratio = images.shape[2] / images.shape[3]
    matrices = _matrices(signs, [[0.0, -math.sin(angle) * ratio, 0.0], [math.sin(angle) / ratio, 0.0, 0.0]])
    matrices[:, 0, 0] = matrices[:, 1, 1] = math.cos(angle)
    return warp(images, matrices, spatial=spatial)


#: Values at magnitude 10: slope, fraction of the side, degrees, and distance of a factor from 1.
SHEAR, TRANSLATE, ROTATE, FACTOR = 0.3, 150 / 331, 30.0, 0.9

MOVES: dict[str, Move] = {
    "rotate": _rotate,
    "shear x": _shear_x,
    "shear y": _shear_y,
    "translate x": _translate_x,
    "translate y": _translate_y,
}
OPERATIONS: dict[str, Operation] = {
    "identity": lambda images, magnitude, signs: images,
    "autocontrast": lambda images, magnitude, signs: autocontrast(images),
    "equalize": lambda images, magnitude, signs: equalize(images),
    "rotate": _rotate,
    "solarize": lambda images, magnitude, signs: solarize(images, 256 * (1 - magnitude)),
    "saturation": lambda images, magnitude, signs: saturation(images, 1 + FACTOR * magnitude * signs),
    "posterize": lambda images, magnitude, signs: posterize(images, 8 - round(4 * magnitude)),
    "contrast": lambda images, magnitude, signs: contrast(images, 1 + FACTOR * magnitude * signs),
    "brightness": lambda images, magnitude, signs: brightness(images, 1 + FACTOR * magnitude * signs),
    "sharpness": lambda images, magnitude, signs: sharpness(images, 1 + FACTOR * magnitude * signs),
    "shear x": _shear_x,
    "shear y": _shear_y,
    "translate x": _translate_x,
    "translate y": _translate_y,
}
