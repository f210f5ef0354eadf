"""Images that a network made, as drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from convworks.charts.drawing import Drawing, Picture, Shape, remark
from convworks.charts.pictures import as_picture

WIDTH, LABEL, GAP, COLUMNS = 960.0, 84.0, 5.0, 10
TILE = (WIDTH - LABEL) / COLUMNS - GAP
BETWEEN = 14.0  # groups of rows that belong together


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Some samples: as they are, as they were read, and what was made of them."""

    samples: tuple[int, ...]
    images: UInt8[np.ndarray, "n h w c"]
    read: UInt8[np.ndarray, "n h w c"]
    made: UInt8[np.ndarray, "n h w c"]


def drawing(pictures: Pictures, *, corrupted: bool) -> Drawing:
    """Draw the originals, what was read where that was corrupted, and what was made, ten in a row."""
    rows = [("original", pictures.images), ("corrupted", pictures.read), ("output", pictures.made)]
    shown = [row for row in rows if corrupted or row[0] != "corrupted"]
    shapes: list[Shape] = []
    top = 0.0
    height = TILE * min(2.0, pictures.images.shape[1] / pictures.images.shape[2])
    for first in range(0, len(pictures.samples), COLUMNS):
        for name, images in shown:
            shapes.append(remark(0, top + height / 2, name, "start", size=12))
            for column, image in enumerate(images[first : first + COLUMNS]):
                place = {"x": LABEL + column * (TILE + GAP), "y": top, "width": TILE, "height": height}
                shapes.append(Picture(**place, pixels=_pixels(image)))
            top += height + GAP
        top += BETWEEN
    label = f"{len(pictures.samples)} images: {', '.join(name for name, _ in shown)}"
    return Drawing(width=WIDTH, height=max(20.0, top - BETWEEN), label=label, shapes=tuple(shapes))


def lecture(found: Sequence[tuple[str, Pictures]]) -> Drawing:
    """Draw lecture 001's picture: the originals, what was read and what was made at each level of noise, as blocks."""
    blocks = [("original", found[0][1].images)]
    blocks += [(f"noise {level}", pictures.read) for level, pictures in found]
    blocks += [(f"output {level}", pictures.made) for level, pictures in found]
    shapes: list[Shape] = []
    top = 0.0
    for name, images in blocks:
        shapes.append(remark(0, top + TILE / 2, name, "start", size=12))
        for number, image in enumerate(images):
            row, column = divmod(number, COLUMNS)
            left, y = LABEL + column * (TILE + GAP), top + row * (TILE + GAP)
            shapes.append(Picture(x=left, y=y, width=TILE, height=TILE, pixels=_pixels(image)))
        top += -(-len(images) // COLUMNS) * (TILE + GAP) + BETWEEN
    label = f"Denoising: {', '.join(name for name, _ in blocks)}"
    return Drawing(width=WIDTH, height=top - BETWEEN, label=label, shapes=tuple(shapes))


def _pixels(image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h2 w2 4"]:
    """Return an image as red, green, blue and opacity; large ones are shrunk."""
    return np.asarray(as_picture(image).convert("RGBA"))
