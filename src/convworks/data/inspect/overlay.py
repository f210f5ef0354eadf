"""Masks as pictures: a colour for each class, laid over the image; and what a prediction got wrong."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from convworks.data.column import IGNORED, Colours

#: The hue of each class is that of the one before it, turned by the golden angle: any number of classes stay apart.
FIRST, TURN = 0.58, (5**0.5 - 1) / 2
#: Saturation and brightness, in turn.
TONES = ((0.75, 0.95), (0.55, 0.75), (0.9, 0.8))
#: The opacity of a class over the image, and of what is wrong.
OPACITY, STRONG = 0.45, 0.75
#: The colour of what is wrong, as in charts/drawing.py.
ORANGE = (0xD4, 0x5F, 0x00)

Mask = UInt8[np.ndarray, "h w"]
Pixels = UInt8[np.ndarray, "h w 3"]


@cache
def palette(own: Colours | None = None) -> UInt8[np.ndarray, "256 3"]:
    """Return the colour of each number of a class: its `own`, or one that is chosen; pixels without a class are grey.

    Of those that are chosen, 0 is black, as backgrounds are.
    """
    colours = np.zeros((256, 3), np.uint8)
    for number in range(1, IGNORED):
        hue = (FIRST + TURN * (number - 1)) % 1
        saturation, brightness = TONES[(number - 1) % len(TONES)]
        colours[number] = [round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, brightness)]
    if own is not None:
        colours[: len(own)] = own
    colours[IGNORED] = 128
    return colours


def named_colours(classes: Sequence[str], own: Colours | None = None) -> list[tuple[str, str]]:
    """Return the name and the colour (#rrggbb) of each class that overlays show: all but those in black."""
    colours = palette(own)
    return [(name, f"#{bytes(colours[number]).hex()}") for number, name in enumerate(classes) if colours[number].any()]


def as_png(mask: Mask, own: Colours | None = None) -> Image.Image:
    """Return a mask as an image of palette indices: its pixels are the numbers of classes, shown in their colours."""
    image = Image.fromarray(mask, mode="P") if mask.size else Image.new("P", mask.shape[::-1])
    image.putpalette(palette(own).ravel().tolist())
    return image


def overlay(image: UInt8[np.ndarray, "h w c"], mask: Mask, own: Colours | None = None) -> Pixels:
    """Lay the colours of a mask over its image; classes in black and pixels without a class leave it as it is."""
    colours = palette(own)
    shown: np.ndarray = colours.max(1) > 0
    return _tinted(as_colours(image), colours[mask], shown[mask] & (mask != IGNORED), OPACITY)


def errors(image: UInt8[np.ndarray, "h w c"], target: Mask, prediction: Mask) -> Pixels:
    """Show what is wrong in orange, what is ignored in grey, over a faint image."""
    faint = (255 - (255 - as_colours(image).mean(2, keepdims=True)) * 0.5).astype(np.uint8).repeat(3, axis=2)
    wrong = _tinted(faint, np.array(ORANGE, np.uint8), (target != prediction) & (target != IGNORED), STRONG)
    return _tinted(wrong, palette()[IGNORED], target == IGNORED, OPACITY)


def as_colours(image: UInt8[np.ndarray, "h w c"]) -> Pixels:
    """Return an image in three colours: grey repeated, transparency and further channels left out."""
    colours: Pixels = image[:, :, :3] if image.shape[2] >= 3 else image[:, :, :1].repeat(3, axis=2)
    return colours


def _tinted(pixels: Pixels, colours: np.ndarray, where: np.ndarray, opacity: float) -> Pixels:
    mixed = (1 - opacity) * pixels + opacity * colours
    return np.where(where[:, :, None], mixed.round(), pixels).astype(np.uint8)
