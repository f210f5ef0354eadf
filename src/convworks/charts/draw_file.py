"""Write a drawing to a file."""

from __future__ import annotations

from pathlib import Path

from convworks.charts.drawing import Drawing
from convworks.charts.raster import to_png
from convworks.charts.svg import svg_file
from convworks.files import write_bytes, write_text


def write_drawing(path: Path, drawing: Drawing) -> None:
    """Write a drawing as SVG if the suffix is .svg, else as PNG."""
    if path.suffix.lower() == ".svg":
        write_text(path, svg_file(drawing))
    else:
        write_bytes(path, to_png(drawing))
