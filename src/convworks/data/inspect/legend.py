"""The legend of pictures of masks: the names of classes with their colours, as reports show them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from convworks.data.inspect.fit_text import fitted

PAPER, INK = (255, 255, 255), (34, 34, 34)
#: The smallest letters, and the width of a picture for each pixel of their size.
SMALLEST, PART = 12, 60
#: The narrowest legend, in letters.
NARROWEST = 16


def legend(named: Sequence[tuple[str, str]], width: int, size: int) -> Image.Image:
    """Draw names with their colours (#rrggbb) in rows of a width, in letters of a size; nothing for no names."""
    font, gap = ImageFont.load_default(size), size // 2
    row, places = round(1.6 * size), list[tuple[int, int, str, str]]()
    left, top = gap, gap
    for name, colour in named:
        text = fitted(name, width - 4 * gap - size, font.getlength)
        wide = size + gap + round(font.getlength(text)) + 2 * gap
        if left > gap and left + wide - gap > width:
            left, top = gap, top + row
        places.append((left, top, text, colour))
        left += wide
    sheet = Image.new("RGB", (width, top + row if places else 0), PAPER)
    pen = ImageDraw.Draw(sheet)
    for x, y, text, colour in places:
        pen.rectangle((x, y + 2, x + size - 2, y + size), fill=colour)
        pen.text((x + size + gap, y - size // 6), text, INK, font)
    return sheet


def with_legend(picture: Image.Image, named: Sequence[tuple[str, str]]) -> Image.Image:
    """Return a picture with a legend below, in letters that suit its width."""
    if not named:
        return picture
    size = max(SMALLEST, picture.width // PART)
    below = legend(named, max(picture.width, NARROWEST * size), size)
    sheet = Image.new("RGB", (below.width, picture.height + below.height), PAPER)
    sheet.paste(picture, (0, 0))
    sheet.paste(below, (0, picture.height))
    return sheet
