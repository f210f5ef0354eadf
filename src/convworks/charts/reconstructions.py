"""Reconstructed images as drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from convworks.charts.drawing import Drawing, Picture, Shape, remark
from convworks.charts.pictures import as_picture

WIDTH, LABEL, GAP, COLUMNS = 960.0, 84.0, 5.0, 10
TILE = (WIDTH - LABEL) / COLUMNS - GAP
BETWEEN = 14.0  # gap between groups of rows


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Some samples: originals, network inputs, and reconstructions."""

    samples: tuple[int, ...]
    images: UInt8[np.ndarray, "n h w c"]
    read: UInt8[np.ndarray, "n h w c"]
    outputs: UInt8[np.ndarray, "n h w c"]


def drawing(pictures: Pictures, *, corrupted: bool) -> Drawing:
    """Draw originals, inputs (if corrupted) and reconstructions, ten per row."""
    rows = [("original", pictures.images), ("corrupted", pictures.read), ("output", pictures.outputs)]
    shown = [row for row in rows if corrupted or row[0] != "corrupted"]
    shapes: list[Shape] = []
    top = 0.0
    height = TILE * min(2.0, pictures.images.shape[1] / pictures.images.shape[2])
    for first in range(0, len(pictures.samples), COLUMNS):
        for name, images in shown:
            shapes.append(remark(0, top + height / 2, name, "start", size=12))
            for column, image in enumerate(images[first : first + COLUMNS]):
                box = {"x": LABEL + column * (TILE + GAP), "y": top, "width": TILE, "height": height}
                shapes.append(Picture(**box, pixels=_pixels(image)))
            top += height + GAP
        top += BETWEEN
    label = f"{len(pictures.samples)} images: {', '.join(name for name, _ in shown)}"
    return Drawing(width=WIDTH, height=max(20.0, top - BETWEEN), label=label, shapes=tuple(shapes))


def lecture(levels: Sequence[tuple[str, Pictures]]) -> Drawing:
    """Draw the figure of lecture 001: originals, then inputs and reconstructions at each noise level, as blocks."""
    blocks = [("original", levels[0][1].images)]
    blocks += [(f"noise {level}", pictures.read) for level, pictures in levels]
    blocks += [(f"output {level}", pictures.outputs) for level, pictures in levels]
    shapes: list[Shape] = []
    top = 0.0
    for name, images in blocks:
        shapes.append(remark(0, top + TILE / 2, name, "start", size=12))
        for index, image in enumerate(images):
            row, column = divmod(index, COLUMNS)
            left, y = LABEL + column * (TILE + GAP), top + row * (TILE + GAP)
            shapes.append(Picture(x=left, y=y, width=TILE, height=TILE, pixels=_pixels(image)))
        top += -(-len(images) // COLUMNS) * (TILE + GAP) + BETWEEN
    label = f"Denoising: {', '.join(name for name, _ in blocks)}"
    return Drawing(width=WIDTH, height=top - BETWEEN, label=label, shapes=tuple(shapes))


def _pixels(image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h2 w2 4"]:
    """Return an image as RGBA; large ones are shrunk."""
    return np.asarray(as_picture(image).convert("RGBA"))
