"""Every network of the catalogue has a legible picture."""

from __future__ import annotations

import io
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from thorough import shallow_first

from convworks.charts.drawing import PALETTE, Drawing, Line, Polygon, Rectangle, Shape, Text
from convworks.charts.lettering import shown, text_width
from convworks.charts.network.picture import network_picture
from convworks.charts.raster import DENSITY, MARGIN, to_png
from convworks.charts.svg import DARK, svg_file, to_svg
from convworks.models import NAMES
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.outline import outline
from convworks.models.analysis.trace import trace
from convworks.models.catalogue import create, example

# The longest are drawn like the others of their family, with other numbers, from an outline that takes seconds.
DRAWN = shallow_first(NAMES)


@cache
def picture(name: str) -> Drawing:
    with without_values():
        images = example(name)
        stages = outline(trace(create(name), images))
    given = "x".join(map(str, images.shape[1:]))
    return network_picture(stages, title=name, remarks="Authors, 2015", given=given)


def boxes(drawing: Drawing) -> list[Rectangle]:
    """Return the boxes of layers, which have a line around them."""
    return [shape for shape in drawing.shapes if isinstance(shape, Rectangle) and shape.stroke]


@pytest.mark.parametrize("name", DRAWN)
def test_boxes_and_lines_keep_apart_on_the_paper(name: str) -> None:
    drawing = picture(name)
    ends = np.array([(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes(drawing)])
    assert len(ends) >= 2
    apart = (ends[:, None, 2:] <= ends[None, :, :2]).any(-1)
    assert (apart | apart.T | np.eye(len(ends), dtype=bool)).all()
    lines = [shape.points for shape in drawing.shapes if isinstance(shape, Line) and shape.stroke == "muted"]
    pieces = np.array([(*a, *b) for points in lines for a, b in pairwise(points)])
    low, high = np.minimum(pieces[:, :2], pieces[:, 2:]), np.maximum(pieces[:, :2], pieces[:, 2:])
    through = ((high[:, None] > ends[:, :2] + 1) & (low[:, None] < ends[:, 2:] - 1)).all(-1)
    assert not through.any(), pieces[through.any(1)]
    corners = [corner for shape in drawing.shapes for corner in extent(shape)]
    assert np.min(corners) >= -1
    assert (np.max(corners, axis=0) <= (drawing.width + 1, drawing.height + 1)).all()
    ElementTree.fromstring(svg_file(drawing))


def extent(shape: Shape) -> list[tuple[float | int, float | int]]:
    """Return the corners of what a shape covers."""
    match shape:
        case Rectangle():
            return [(shape.x, shape.y), (shape.x + shape.width, shape.y + shape.height)]
        case Text():
            assert shown(shape.text), shape.text
            width = text_width(shape.text, shape.size)
            start = shape.x - width * {"start": 0, "middle": 0.5, "end": 1}[shape.anchor]
            return [(start, shape.y), (start + width, shape.y)]
        case Line() | Polygon():
            return list(shape.points)
        case _:
            raise AssertionError(shape)


def test_titles_fit_into_their_boxes_and_say_what_matters() -> None:
    drawing = picture("resnet50")
    texts = [shape.text for shape in drawing.shapes if isinstance(shape, Text)]
    assert {"resnet50", "3x224x224", "64x112x112", "7x7 conv, 64 /2", "x 2", "x 3", "x 5"} <= set(texts)
    assert {"fully connected, 1000", "2048x7x7", "batch norm, ReLU"} <= set(texts)
    fills = {box.stroke for box in boxes(drawing)}
    assert fills == {"blue", "orange", "green", "ink"}


def test_a_u_net_is_a_u() -> None:
    drawing = picture("unet")
    layers = [box for box in boxes(drawing) if box.stroke != "ink"]
    columns = {round(box.x + box.width / 2) for box in layers}
    assert len(columns) == 2
    texts = [shape.text for shape in drawing.shapes if isinstance(shape, Text)]
    assert texts.count("concatenation") == 4
    assert {"1x572x572", "2x388x388", "1024x28x28", "64x392x392"} <= set(texts)


def test_auxiliary_classifiers_stand_beside() -> None:
    texts = [shape for shape in picture("googlenet").shapes if isinstance(shape, Text)]
    place = {shape.text: shape for shape in texts}
    for aux, stage in (("aux1", "inception4a"), ("aux2", "inception4d")):
        assert place[aux].x > place[stage].x
        assert abs(place[aux].y - place[stage].y) < 60


def test_png_and_svg_files() -> None:
    drawing = picture("lenet5")
    with Image.open(io.BytesIO(to_png(drawing))) as image:
        assert image.width == pytest.approx((drawing.width + 2 * MARGIN) * DENSITY, abs=4)
        assert len({colour for _, colour in image.getcolors(2**20) or []}) > 20
    root = ElementTree.fromstring(svg_file(drawing))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["aria-label"] == "lenet5: Authors, 2015"
    assert "prefers-color-scheme: dark" in svg_file(drawing)
    assert to_svg(drawing).startswith("<svg viewBox=")
    assert DARK.keys() == PALETTE.keys()
