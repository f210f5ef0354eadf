"""A contact sheet of a source: examples of each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from convworks.data.column import Arrays
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import convert, decode, open_image
from convworks.data.decode.preprocess import fit_image
from convworks.data.decode.shape import main_split
from convworks.data.formats import NUMPY
from convworks.data.inspect.fit_text import fitted
from convworks.data.labels import members
from convworks.data.source import Source, Split
from convworks.errors import InputError, counted, visible
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
    for label in spaced(np.arange(len(source.classes)), ROWS):
        indices = members(split.labels, label)
        rows.append((source.classes[label], len(indices), spaced(indices, COLUMNS)))
    return rows


def _title(source: Source, split: Split, rows: int) -> str:
    split_name = next(name for name, entry in source.splits.items() if entry is split)
    if not source.classes:
        return f"{visible(source.name)}: {counted(len(split), 'image')} without classes"
    some = f"{rows} of {len(source.classes)}" if rows < len(source.classes) else f"{len(source.classes)}"
    return f"{visible(source.name)}, {split_name}: {counted(len(split), 'image')}, {some} classes"


def _tile(split: Split, index: int, decoding: Decoding) -> Image.Image:
    """Draw an example; a damaged one as a cross."""
    try:
        return as_tile(picture(split, index, decoding))
    except InputError:
        return cross((TILE, TILE))


def cross(size: tuple[int, int]) -> Image.Image:
    """Draw what stands for a damaged example, of a size (width, height)."""
    sheet = Image.new("RGB", size, PAPER)
    right, lower = size[0] - 1, size[1] - 1
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, 0, right, lower), outline=FAINT)
    draw.line((0, 0, right, lower), FAINT)
    draw.line((0, lower, right, 0), FAINT)
    return sheet


def picture(
    split: Split, index: int, decoding: Decoding, at_least: tuple[int, int] | None = (TILE, TILE)
) -> Image.Image:
    """Return an image of a split; InputError for a damaged one."""
    if isinstance(split.inputs, Arrays):
        array = split.inputs.values[index]
    else:
        file = split.inputs.files[index]
        if file.suffix.lower() != NUMPY:
            return open_image(file, channels=3, at_least=at_least, decoding=decoding)
        array = decode(file, channels=None)
    shown = array if array.shape[2] == 3 else array[:, :, 0]  # of other channel counts, the first is shown
    return convert(Image.fromarray(np.ascontiguousarray(shown)), 3)
