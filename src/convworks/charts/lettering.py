"""Text on images, in two bundled fonts: Pillow's own, and DejaVu Sans for glyphs that it lacks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from convworks.data.inspect.fit_text import ending as ending
from convworks.data.inspect.fit_text import fitted, wrapped
from convworks.data.inspect.fit_text import shorten as shorten
from convworks.errors import visible

#: Run-time type checks do not accept an int as a float.
Number = float | int
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
PLAIN, WIDE = "plain", "wide"
DEJAVU = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"


def text_width(text: str, size: Number) -> float:
    """Return the width of a text whose font size is `size`, in the same unit."""
    return sum(_font(kind, 32).getlength(part) for kind, part in _parts(text)) * size / 32


def room(text: str, size: Number) -> float:
    """Return the width to leave for a text that a page shows: the fonts of systems are up to a fifth wider."""
    return 1.2 * text_width(text, size)


def shown(text: str) -> bool:
    """Return whether the two fonts have every glyph of `text`."""
    return all(_has(PLAIN, letter) or _has(WIDE, letter) for letter in set(text))


def fit(text: str, size: Number, width: Number) -> str:
    """Return a text of font size `size`, its middle elided if it is wider than `width`."""
    return fitted(text, width, lambda part: text_width(part, size))


def wrap(text: str, size: Number, width: Number, most: int) -> list[str]:
    """Break a text of font size `size` into at most `most` lines of `width`."""
    return wrapped(text, width, lambda part: text_width(part, size), most)


@dataclass(frozen=True, kw_only=True)
class Style:
    """Size in pixels, colour and weight of a text."""

    size: Number
    colour: str
    bold: bool = False


def write(
    image: Image.Image,
    at: tuple[Number, Number],
    text: str,
    style: Style,
    *,
    anchor: str = "start",
    turn: Number = 0.0,
) -> None:
    """Write text onto an image, vertically centred on `at` and rotated about it counter-clockwise by `turn` degrees."""
    size, colour = style.size, style.colour
    if turn:
        side = 2 * math.ceil(text_width(text, size) + 2 * size)
        mask = Image.new("L", (side, side))
        write(mask, (side / 2, side / 2), text, replace(style, colour="#ffffff"), anchor=anchor)
        mask = mask.rotate(turn, Image.Resampling.BICUBIC)
        image.paste(colour, (round(at[0] - side / 2), round(at[1] - side / 2)), mask)
        return
    parts = [(_font(kind, round(size)), part) for kind, part in _parts(text)]
    widths = [font.getlength(part) for font, part in parts]
    x = at[0] - sum(widths) * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    # Capitals are 0.72 of the size tall: a baseline half of that below `at` centres them in any text.
    y = at[1] + 0.36 * size
    canvas = ImageDraw.Draw(image)
    for (font, part), width in zip(parts, widths, strict=True):
        canvas.text((x, y), part, fill=colour, font=font, anchor="ls", stroke_width=size / 40 if style.bold else 0)
        x += width


def _parts(text: str) -> list[tuple[str, str]]:
    """Split into runs of words of one font; words with glyphs that the plain font lacks use the other."""
    words = [word + " " for word in visible(text).split(" ")]
    words[-1] = words[-1][:-1]
    runs = groupby(words, lambda word: PLAIN if all(_has(PLAIN, letter) for letter in word) else WIDE)
    return [(kind, "".join(run)) for kind, run in runs]


@lru_cache(maxsize=8192)
def _has(kind: str, letter: str) -> bool:
    if letter == " ":
        return True
    if not letter.isprintable():
        return False
    font = _font(kind, 32)
    absent = font.getmask("\U0010ffff")
    mask = font.getmask(letter)
    return mask.size != absent.size or bytes(mask) != bytes(absent)


@lru_cache(maxsize=64)
def _font(kind: str, size: int) -> Font:
    return ImageFont.truetype(DEJAVU, size) if kind == WIDE else ImageFont.load_default(size)
