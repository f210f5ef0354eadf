"""Drawings as PNG, in light colours and at twice the density of their points."""

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
#: Paper around a drawing in its PNG, in points; on the page the layout gives it.
MARGIN = 16


def to_png(drawing: Drawing) -> bytes:
    """Render as PNG in light colours, at twice the density of the drawing's points."""
    scale = DENSITY * SUPERSAMPLING
    size = (math.ceil(drawing.width) * scale, math.ceil(drawing.height) * scale)
    image = Image.new("RGB", size, PALETTE["paper"])
    pencil = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        if not isinstance(shape, Text):
            _paint(image, pencil, shape, scale)
    image = image.reduce(SUPERSAMPLING)  # smooth edges: Pillow draws lines without antialiasing
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            text = shape.text if not shape.fallback or shown(shape.text) else shape.fallback
            at = (shape.x * DENSITY, shape.y * DENSITY)
            style = Style(size=shape.size * DENSITY, colour=PALETTE[shape.fill], bold=shape.bold)
            write(image, at, text, style, anchor=shape.anchor, turn=shape.turn)
    return png_bytes(ImageOps.expand(image, MARGIN * DENSITY, PALETTE["paper"]))


def png_bytes(image: Image.Image) -> bytes:
    """Encode as PNG, fast rather than smallest."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Return bytes of an image as a URI that needs no other file."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _paint(image: Image.Image, pencil: ImageDraw.ImageDraw, shape: Shape, scale: int) -> None:
    match shape:
        case Rectangle(x=x, y=y, width=width, height=height):
            ends = (round((x + width) * scale) - 1, round((y + height) * scale) - 1)
            corners = [round(x * scale), round(y * scale), *ends]
            if corners[2] >= corners[0] and corners[3] >= corners[1]:
                inside, radius = _blend(shape.fill, shape.opacity), round(shape.radius * scale)
                if shape.stroke:
                    pencil.rounded_rectangle(corners, radius, inside, PALETTE[shape.stroke], scale)
                else:
                    pencil.rounded_rectangle(corners, radius, inside)
        case Line(points=points):
            for part in _dashes(points) if shape.dashed else [points]:
                scaled = [(x * scale, y * scale) for x, y in part]
                pencil.line(
                    scaled,
                    fill=PALETTE[shape.stroke],
                    width=max(1, round(shape.width * scale)),
                    joint="curve",
                )
        case Polygon(points=points):
            pencil.polygon([(x * scale, y * scale) for x, y in points], fill=PALETTE[shape.fill])
        case Circle(x=x, y=y, radius=radius):
            for r, fill in ((radius + 0.75, "paper"), (radius - 0.75, shape.fill)):
                box = [(x - r) * scale, (y - r) * scale, (x + r) * scale, (y + r) * scale]
                pencil.ellipse(box, fill=PALETTE[fill])
        case Picture(x=x, y=y, width=width, height=height):
            size = (round(width * scale), round(height * scale))
            pixels = Image.fromarray(shape.pixels).resize(size, Image.Resampling.NEAREST)
            image.paste(pixels, (round(x * scale), round(y * scale)), pixels)


def _dashes(points: tuple[tuple[Number, Number], ...]) -> list[list[tuple[Number, Number]]]:
    found = []
    for (x0, y0), (x1, y1) in pairwise(points):
        count = max(1, round(math.hypot(x1 - x0, y1 - y0) / 8))
        at = [(x0 + (x1 - x0) * i / (2 * count), y0 + (y1 - y0) * i / (2 * count)) for i in range(2 * count + 1)]
        found += [[at[i], at[i + 1]] for i in range(0, 2 * count, 2)]
    return found


def _blend(colour: str, opacity: Number) -> tuple[int, ...]:
    """Mix a colour with the paper."""
    front, back = (bytes.fromhex(PALETTE[name][1:]) for name in (colour, "paper"))
    return tuple(round(f * opacity + b * (1 - opacity)) for f, b in zip(front, back, strict=True))
