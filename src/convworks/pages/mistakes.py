"""The worst mistakes as images: one sheet for errors.png, and thumbnails for the page."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from PIL import Image

from convworks.charts.drawing import PALETTE
from convworks.charts.lettering import Style, ending, text_width, wrap, write
from convworks.charts.pictures import TILE
from convworks.charts.raster import DENSITY, data_uri, png_bytes
from convworks.pages.pictures import Thumbnail


class Words(NamedTuple):
    """A part of a caption, which may take up to `most` lines; the `tail` stands behind the last, never cut."""

    text: str
    size: float
    colour: str
    bold: bool = False
    most: int = 2
    tail: str = ""

    def lines(self) -> Iterator[str]:
        """Yield its lines, as wide as a picture."""
        *lines, last = wrap(self.text, self.size, TILE, self.most) or [""]
        yield from lines
        together = f"{last}  {self.tail}".rstrip()
        yield from [together] if text_width(together, self.size) <= TILE else [last, self.tail]


#: What stands under a picture.
Caption = list[Words]
#: Maximum number of mistakes shown.
MOST = 36
COLUMNS, GAP = 6, 18
NAME = 44  # characters of a path that are shown, as on the page


def tiny(picture: Image.Image) -> bool:
    """Return whether a picture is so small that its pixels should show as squares."""
    return max(picture.size) <= 64


def tile_uri(picture: Image.Image) -> str:
    """Return a picture as a data URI: PNG if tiny (the page enlarges it), else JPEG."""
    if tiny(picture):
        return data_uri(png_bytes(picture), "png")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return data_uri(file.getvalue(), "jpeg")


def thumbnail(picture: Image.Image) -> Thumbnail:
    """Return a picture as a thumbnail for the page."""
    return Thumbnail(uri=tile_uri(picture), pixelated=tiny(picture))


def sheet(captions: Sequence[Caption], pictures: Sequence[Image.Image], *, wrong: int) -> bytes:
    """Draw a PNG sheet of pictures with captions; without captions, a text with the number of `wrong` samples."""
    if not captions:
        return _text_sheet(f"{wrong:,} mistakes, no images." if wrong else "No mistakes: every image is right.")
    written = [[(line, words) for words in caption for line in words.lines()] for caption in captions]
    row_height = TILE + 18 * max(map(len, written)) + GAP
    columns, rows = min(COLUMNS, max(3, len(captions))), -(-len(captions) // COLUMNS)
    canvas = _canvas(columns * (TILE + GAP) + GAP, rows * row_height + GAP)
    for index, (lines, picture) in enumerate(zip(written, pictures, strict=True)):
        left, top = GAP + index % COLUMNS * (TILE + GAP), GAP + index // COLUMNS * row_height
        corner = (left * DENSITY, top * DENSITY)
        factor = TILE * DENSITY // max(picture.size)
        tile = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
        margins = [(TILE * DENSITY - length) // 2 for length in tile.size]
        canvas.paste(PALETTE["grid"], (*corner, corner[0] + TILE * DENSITY, corner[1] + TILE * DENSITY))
        canvas.paste(tile, (corner[0] + margins[0], corner[1] + margins[1]))
        y = top + TILE + 12.0
        for line, words in lines:
            style = Style(size=words.size * DENSITY, colour=PALETTE[words.colour], bold=words.bold)
            write(canvas, (corner[0], y * DENSITY), line, style)
            y += 17
    return png_bytes(canvas)


def caption(true: str, predicted: str, name: str, *, sure: str = "") -> Caption:
    """Return the caption of a picture: true class, predicted class and how sure, the end of the file's path."""
    return [
        Words(true, 12.0, "ink", bold=True),
        Words(f"→ {predicted}", 12.0, "orange", bold=True, tail=sure),
        Words(ending(name, NAME), 9.5, "muted"),
    ]


def _canvas(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width * DENSITY, height * DENSITY), PALETTE["paper"])


def _text_sheet(words: str) -> bytes:
    sheet = _canvas(COLUMNS * TILE // 2, 80)
    style = Style(size=13 * DENSITY, colour=PALETTE["muted"])
    write(sheet, (sheet.width / 2, sheet.height / 2), words, style, anchor="middle")
    return png_bytes(sheet)
