"""Drawings as PNG, in the light palette at 2 pixels per point."""

from __future__ import annotations

import base64
import io
import math
from itertools import pairwise

from PIL import Image, ImageDraw, ImageOps

from convworks.charts.drawing import PALETTE, Circle, Drawing, Line, Picture, Polygon, Rectangle, Shape, Text
from convworks.charts.lettering import Number, Style, shown, write

DENSITY = 2
SUPERSAMPLING = 2
#: Margin around a drawing in its PNG, in points; on a page, the layout provides it.
MARGIN = 16


def to_png(drawing: Drawing) -> bytes:
    """Render as PNG in the light palette, at 2 pixels per point."""
    scale = DENSITY * SUPERSAMPLING
    size = (math.ceil(drawing.width) * scale, math.ceil(drawing.height) * scale)
    image = Image.new("RGB", size, PALETTE["paper"])
    canvas = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        if not isinstance(shape, Text):
            _paint(image, canvas, shape, scale)
    image = image.reduce(SUPERSAMPLING)  # antialiasing, which Pillow lacks for lines
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            text = shape.text if not shape.fallback or shown(shape.text) else shape.fallback
            at = (shape.x * DENSITY, shape.y * DENSITY)
            style = Style(size=shape.size * DENSITY, colour=PALETTE[shape.fill], bold=shape.bold)
            write(image, at, text, style, anchor=shape.anchor, turn=shape.turn)
    return png_bytes(ImageOps.expand(image, MARGIN * DENSITY, PALETTE["paper"]))


def png_bytes(image: Image.Image) -> bytes:
    """Encode as PNG, for speed rather than size."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Return an encoded image as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _paint(image: Image.Image, canvas: ImageDraw.ImageDraw, shape: Shape, scale: int) -> None:
    match shape:
        case Rectangle(x=x, y=y, width=width, height=height):
            ends = (round((x + width) * scale) - 1, round((y + height) * scale) - 1)
            corners = [round(x * scale), round(y * scale), *ends]
            if corners[2] >= corners[0] and corners[3] >= corners[1]:
                inside, radius = _blend(shape.fill, shape.opacity), round(shape.radius * scale)
                if shape.stroke:
                    canvas.rounded_rectangle(corners, radius, inside, PALETTE[shape.stroke], scale)
                else:
                    canvas.rounded_rectangle(corners, radius, inside)
        case Line(points=points):
            for part in _dashes(points) if shape.dashed else [points]:
                scaled = [(x * scale, y * scale) for x, y in part]
                canvas.line(
                    scaled,
                    fill=_blend(shape.stroke, shape.opacity),
                    width=max(1, round(shape.width * scale)),
                    joint="curve",
                )
        case Polygon(points=points):
            canvas.polygon([(x * scale, y * scale) for x, y in points], fill=PALETTE[shape.fill])
        case Circle(x=x, y=y, radius=radius):
            for r, fill in ((radius + 0.75, "paper"), (radius - 0.75, shape.fill)):
                box = [(x - r) * scale, (y - r) * scale, (x + r) * scale, (y + r) * scale]
                canvas.ellipse(box, fill=PALETTE[fill])
        case Picture(x=x, y=y, width=width, height=height):
            size = (round(width * scale), round(height * scale))
            pixels = Image.fromarray(shape.pixels).resize(size, Image.Resampling.NEAREST)
            image.paste(pixels, (round(x * scale), round(y * scale)), pixels)


def _dashes(points: tuple[tuple[Number, Number], ...]) -> list[list[tuple[Number, Number]]]:
    dashes = []
    for (x0, y0), (x1, y1) in pairwise(points):
        count = max(1, round(math.hypot(x1 - x0, y1 - y0) / 8))
        stops = [(x0 + (x1 - x0) * i / (2 * count), y0 + (y1 - y0) * i / (2 * count)) for i in range(2 * count + 1)]
        dashes += [[stops[i], stops[i + 1]] for i in range(0, 2 * count, 2)]
    return dashes


def _blend(colour: str, opacity: Number) -> tuple[int, ...]:
    """Blend a colour with the background."""
    front, back = (bytes.fromhex(PALETTE[name][1:]) for name in (colour, "paper"))
    return tuple(round(f * opacity + b * (1 - opacity)) for f, b in zip(front, back, strict=True))
