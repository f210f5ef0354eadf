"""A contact sheet of images with masks: pairs from all over the source, and the names of the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont

from convworks.data.column import Colours, Files
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import to_array
from convworks.data.decode.load_files import load_image
from convworks.data.decode.preprocess import Preprocessing, scaled_size
from convworks.data.decode.shape import main_split
from convworks.data.decode.tally import tally
from convworks.data.inspect.fit_text import fitted
from convworks.data.inspect.legend import legend
from convworks.data.inspect.overlay import named_colours, overlay
from convworks.data.inspect.sheet import FAINT, GAP, INK, MARGIN, PAPER, TITLE, cross, picture, spaced
from convworks.data.source import Source, Split
from convworks.data.sources.ignoring import colours_of
from convworks.errors import InputError, counted, visible
from convworks.files import atomic

ROWS, COLUMNS, TILE = 6, 6, 176  # pixels
#: Images that show a class, if it has as many.
LEAST = 2
#: The narrowest and the flattest tile, as parts of its width.
TALLEST, FLATTEST = 1.5, 0.4
LETTERS = 15


def write_mask_sheet(source: Source, path: Path, decoding: Decoding = DECODING) -> None:
    """Write a PNG of up to 36 images of train (else the first split) under their masks, with a legend."""
    split = main_split(source)
    showing = tally(split.targets)[:, : len(source.classes)] > 0
    chosen, colours = choose(showing, ROWS * COLUMNS), colours_of(split)
    examples = [_example(split, index, colours, decoding) for index in chosen]
    size = _tile_size(examples)
    columns = min(COLUMNS, max(1, len(chosen)))
    rows = -(-len(chosen) // columns)
    width = max(columns * (size[0] + GAP) - GAP, COLUMNS * TILE // 2)
    counts = dict(zip(source.classes, showing.sum(0).tolist(), strict=True))
    named = [(f"{name} ({counts[name]:,})", colour) for name, colour in named_colours(source.classes, colours)]
    below = legend(named, width, LETTERS)
    top = TITLE + MARGIN
    height = top + rows * (size[1] + GAP) + below.height + MARGIN
    sheet = Image.new("RGB", (width + 2 * MARGIN, height), PAPER)
    font = ImageFont.load_default(20)
    title = fitted(_title(source, split, len(chosen)), width, font.getlength)
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN), title, INK, font)
    for place, example in enumerate(examples):
        row, column = divmod(place, columns)
        sheet.paste(_tile(example, size), (MARGIN + column * (size[0] + GAP), top + row * (size[1] + GAP)))
    sheet.paste(below, (MARGIN, top + rows * (size[1] + GAP)))
    with atomic(path) as file:
        sheet.save(file, format="PNG", optimize=True)


def choose(showing: Bool[np.ndarray, "n k"], count: int) -> list[int]:
    """Choose at most `count` of n images, evenly spread, by the classes that they show.

    Each class is shown by LEAST of them, the rarest first, if it has as many and there is room.
    """
    n = len(showing)
    chosen = set(range(n)) if n <= count else set[int]()
    for label in np.argsort(showing.sum(0), kind="stable").tolist():
        indices = np.flatnonzero(showing[:, label])
        lacking = min(LEAST - len(chosen.intersection(indices.tolist())), count - len(chosen))
        if lacking > 0:
            chosen |= set(spaced(np.setdiff1d(indices, list(chosen)), lacking))
    others = np.setdiff1d(np.arange(n), list(chosen))
    return sorted(chosen | set(spaced(others, count - len(chosen))))


def _title(source: Source, split: Split, shown: int) -> str:
    name = next(name for name, entry in source.splits.items() if entry is split)
    some = f", {shown:,} of them from all over" if shown < len(split) else ""
    classes = counted(len(source.classes), "class", "classes")
    return f"{visible(source.name)}, {name}: {counted(len(split), 'image')}{some}; {classes}"


def _example(split: Split, index: int, colours: Colours | None, decoding: Decoding) -> Image.Image | None:
    """Return an image under its mask; None for a damaged one."""
    try:
        image = picture(split, index, decoding, at_least=None)
        flat = Preprocessing(size=(image.height, image.width), channels=1, fit="squash", mean=(0.0,), std=(1.0,))
        column = split.targets
        if isinstance(column, Files):
            numbers = load_image(column.files[index], flat, spatial=column.spatial)
        else:
            numbers = column.values[index]
    except InputError:
        return None
    return _fitted(Image.fromarray(overlay(to_array(image), numbers[:, :, 0], colours)), (TILE, round(TALLEST * TILE)))


def _fitted(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    """Scale an image to fit into a box (width, height); a small one by a whole number, without blur."""
    factor = min(box[0] / image.width, box[1] / image.height)
    sharp = factor >= 1
    height, width = scaled_size((image.height, image.width), float(int(factor)) if sharp else factor)
    return image.resize((width, height), Image.Resampling.NEAREST if sharp else Image.Resampling.BOX)


def _tile_size(examples: list[Image.Image | None]) -> tuple[int, int]:
    """Return the size (width, height) of tiles: as flat or tall as most examples."""
    sound = [example for example in examples if example is not None]
    if not sound:
        return TILE, TILE
    width = max(example.width for example in sound)
    ratio = float(np.median([example.height / example.width for example in sound]))
    return width, round(width * min(max(ratio, FLATTEST), TALLEST))


def _tile(example: Image.Image | None, size: tuple[int, int]) -> Image.Image:
    """Return an example in the middle of a tile, or a cross."""
    if example is None:
        return cross(size)
    image = example if example.height <= size[1] else _fitted(example, size)
    tile = Image.new("RGB", size, FAINT)
    tile.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return tile
