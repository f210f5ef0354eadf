"""SVG files that stand alone."""

from __future__ import annotations

import re

import numpy as np

from convworks.charts.drawing import Drawing, Picture, Text
from convworks.charts.svg import svg_file


def test_a_file_of_its_own_has_the_styles_that_it_names() -> None:
    """Among them that of pictures, whose pixels a browser would blur."""
    picture = Picture(x=0, y=0, width=40, height=40, pixels=np.zeros((2, 2, 4), np.uint8))
    text = svg_file(Drawing(width=40, height=40, label="two", shapes=(picture, Text(x=0, y=0, text="two"))))
    (style,) = re.findall(r"<style>(.*?)</style>", text)
    classes = set(re.findall(r'class="([^"]+)"', text))
    assert classes == {"pixels"}
    assert classes <= set(re.findall(r"\.(\w+) \{", style))
    assert ".pixels { image-rendering: pixelated; }" in style
    assert set(re.findall(r"var\((--\w+)\)", text)) <= set(re.findall(r"(--\w+):", style))
