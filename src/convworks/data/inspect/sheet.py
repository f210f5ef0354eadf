"""A contact sheet of a source: examples of each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from convworks.data.column import Arrays, Files
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import convert, decode, open_image, to_array
from convworks.data.decode.load_files import load_image
from convworks.data.decode.preprocess import Preprocessing, fit_image
from convworks.data.decode.shape import main_split
from convworks.data.decode.tally import tally
from convworks.data.formats import NUMPY
from convworks.data.inspect.fit_text import fitted
from convworks.data.inspect.overlay import overlay
from convworks.data.labels import members
from convworks.data.source import Source, Split
from convworks.errors import InputError, visible
from convworks.files import atomic

ROWS, COLUMNS = 10, 10
TILE, GAP, MARGIN, TITLE = 96, 6, 16, 40  # pixels
LABEL = 180  # widest column of class names
PAPER, INK, FAINT = (255, 255, 255), (34, 34, 34), (208, 208, 208)


def write_contact_sheet(source: Source, path: Path, decoding: Decoding = DECODING) -> None:
    """Write a PNG of up to 10 classes with 10 examples each, evenly spread over train (else the first split)."""
    split = main_split(source)
    rows = _rows(source, split)
    font = ImageFont.load_default(15)
    rows = [(fitted(name, LABEL, font.getlength), count, indices) for name, count, indices in rows]
    widest = max(int(font.getlength(text)) for name, count, _ in rows for text in (name, f"{count:,}"))
    left = MARGIN + (widest + MARGIN if source.classes else 0)
    width = left + COLUMNS * (TILE + GAP) - GAP + MARGIN
    sheet = Image.new("RGB", (width, TITLE + MARGIN + len(rows) * (TILE + GAP) - GAP + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), _title(source, split, len(rows)), INK, ImageFont.load_default(20))
    for row, (name, count, indices) in enumerate(rows):
        top = TITLE + MARGIN + row * (TILE + GAP)
        if name:
            draw.text((MARGIN, top + TILE // 2 - 18), name, INK, font)
            draw.text((MARGIN, top + TILE // 2 + 2), f"{count:,}", (128, 128, 128), font)
        for column, index in enumerate(indices):
            sheet.paste(_tile(split, index, decoding), (left + column * (TILE + GAP), top))
    with atomic(path) as file:
        sheet.save(file, format="PNG", optimize=True)


def as_tile(image: Image.Image) -> Image.Image:
    """Fit an image to a tile: a small one is enlarged by an integer factor without blur, a large one cropped."""
    times = TILE // max(image.size)
    if times > 1:
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
        return fit_image(image, (TILE, TILE), "pad")
    return fit_image(image, (TILE, TILE), "crop")


def spaced(values: np.ndarray, count: int) -> list[int]:
    """Return at most `count` of the values, evenly spaced."""
    if len(values) <= count:
        return [int(value) for value in values]
    return [int(values[len(values) * index // count]) for index in range(count)]


def _rows(source: Source, split: Split) -> list[tuple[str, int, list[int]]]:
    """Choose the examples: for each row its class name, the size of the class, and indices into the split."""
    if not source.classes:
        chosen = spaced(np.arange(len(split)), ROWS * COLUMNS)
        return [("", len(split), chosen[first : first + COLUMNS]) for first in range(0, len(chosen), COLUMNS)]
    rows = []
    showing = tally(split.targets) > 0 if source.masked else None
    for label in spaced(np.arange(len(source.classes)), ROWS):
        indices = members(split.labels, label) if showing is None else np.flatnonzero(showing[:, label])
        rows.append((source.classes[label], len(indices), spaced(indices, COLUMNS)))
    return rows


def _title(source: Source, split: Split, rows: int) -> str:
    split_name = next(name for name, entry in source.splits.items() if entry is split)
    if not source.classes:
        return f"{visible(source.name)}: {len(split):,} images without classes"
    some = f"{rows} of {len(source.classes)}" if rows < len(source.classes) else f"{len(source.classes)}"
    return f"{visible(source.name)}, {split_name}: {len(split):,} images, {some} classes"


def _tile(split: Split, index: int, decoding: Decoding) -> Image.Image:
    """Draw an example; a damaged one as a cross."""
    try:
        image = _picture(split, index, decoding)
    except InputError:
        cross = Image.new("RGB", (TILE, TILE), PAPER)
        draw = ImageDraw.Draw(cross)
        draw.rectangle((0, 0, TILE - 1, TILE - 1), outline=FAINT)
        draw.line((0, 0, TILE - 1, TILE - 1), FAINT)
        draw.line((0, TILE - 1, TILE - 1, 0), FAINT)
        return cross
    return as_tile(image)


def _picture(split: Split, index: int, decoding: Decoding) -> Image.Image:
    """Return an example, under its mask if it has one."""
    mask = split.targets.spatial
    if mask is None or not mask.nearest:
        return _image(split, index, decoding)
    image = _image(split, index, decoding, at_least=None)
    flat = Preprocessing(size=(image.height, image.width), channels=1, fit="squash", mean=(0.0,), std=(1.0,))
    column = split.targets
    if isinstance(column, Files):
        numbers = load_image(column.files[index], flat, spatial=column.spatial)
    else:
        numbers = column.values[index]
    return Image.fromarray(overlay(to_array(image), numbers[:, :, 0]))


def _image(
    split: Split, index: int, decoding: Decoding, at_least: tuple[int, int] | None = (TILE, TILE)
) -> Image.Image:
    if isinstance(split.inputs, Arrays):
        array = split.inputs.values[index]
    else:
        file = split.inputs.files[index]
        if file.suffix.lower() != NUMPY:
            return open_image(file, channels=3, at_least=at_least, decoding=decoding)
        array = decode(file, channels=None)
    shown = array if array.shape[2] == 3 else array[:, :, 0]  # of other channel counts, the first is shown
    return convert(Image.fromarray(np.ascontiguousarray(shown)), 3)
