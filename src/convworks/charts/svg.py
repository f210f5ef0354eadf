"""Drawings as SVG elements and files."""

from __future__ import annotations

import html

from PIL import Image

from convworks.charts.drawing import PALETTE, Circle, Drawing, Line, Picture, Polygon, Rectangle, Shape, Text
from convworks.charts.raster import MARGIN, data_uri, png_bytes
from convworks.errors import visible

#: Dark-mode colours of a standalone file; a page defines its own.
DARK = {
    "paper": "#161b22",
    "ink": "#e4e9f0",
    "muted": "#94a0b0",
    "grid": "#2b333e",
    "blue": "#58a6e8",
    "orange": "#f08a3c",
    "green": "#5bbd8a",
    "inverse": "#0b1016",
    "violet": "#b08ae8",
    "teal": "#45bcc6",
    "rose": "#ec7aae",
    "ochre": "#d3ab3c",
    "brown": "#bd9073",
}
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'


def escape(text: str) -> str:
    """Escape text for XML; control and direction-changing characters become Python escapes."""
    return html.escape(visible(text))


def to_svg(drawing: Drawing) -> str:
    """Render as an SVG element whose colours are the CSS variables --paper, --ink, ..."""
    body = "".join(map(_element, drawing.shapes))
    box = f'viewBox="0 0 {drawing.width:g} {drawing.height:g}" style="max-width:{drawing.width:g}px"'
    return f'<svg {box} role="img" aria-label="{escape(drawing.label)}">{body}</svg>'


def svg_file(drawing: Drawing) -> str:
    """Render as a standalone SVG file with its own colours, font and margin."""
    element = to_svg(drawing)
    width, height = drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN
    box = f'viewBox="{-MARGIN} {-MARGIN} {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    style = f"svg {{ {_variables(PALETTE)} font-family: {FONT}; }} .pixels {{ image-rendering: pixelated; }}"
    dark = f"@media (prefers-color-scheme: dark) {{ svg {{ {_variables(PALETTE | DARK)} }} }}"
    paper = f'<rect x="{-MARGIN}" y="{-MARGIN}" width="{width:g}" height="{height:g}" fill="var(--paper)"/>'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{escape(drawing.label)}">'
    return f"{opening}<style>{style} {dark}</style>{paper}{element.partition('>')[2]}\n"


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())


def _element(shape: Shape) -> str:
    match shape:
        case Rectangle():
            position = f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}"'
            opacity = "" if shape.opacity == 1 else f' opacity="{shape.opacity:.2f}"'
            if shape.stroke:
                opacity = opacity.replace("opacity", "fill-opacity") + f' stroke="var(--{shape.stroke})"'
            rounded = f' rx="{shape.radius:g}"' if shape.radius else ""
            title = f"<title>{escape(shape.title)}</title>" if shape.title else ""
            return f'<rect {position}{rounded} fill="var(--{shape.fill})"{opacity}>{title}</rect>'
        case Line():
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            stroke = f'stroke="var(--{shape.stroke})" stroke-width="{shape.width:g}" stroke-linejoin="round"'
            dash = ' stroke-dasharray="4 4"' if shape.dashed else ""
            faint = "" if shape.opacity == 1 else f' stroke-opacity="{shape.opacity:g}"'
            return f'<polyline points="{path}" fill="none" {stroke}{dash}{faint}/>'
        case Circle():
            position = f'cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}"'
            return f'<circle {position} fill="var(--{shape.fill})" stroke="var(--paper)" stroke-width="1.5"/>'
        case Polygon():
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            return f'<polygon points="{corners}" fill="var(--{shape.fill})"/>'
        case Text():
            position = f'x="{shape.x:.1f}" y="{shape.y:.1f}" dy=".35em" font-size="{shape.size:g}"'
            anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
            bold = ' font-weight="600"' if shape.bold else ""
            turn = f' transform="rotate({-shape.turn:g} {shape.x:.1f} {shape.y:.1f})"' if shape.turn else ""
            return f'<text {position} fill="var(--{shape.fill})"{anchor}{bold}{turn}>{escape(shape.text)}</text>'
        case Picture():
            position = f'x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" height="{shape.height:g}"'
            source = data_uri(png_bytes(Image.fromarray(shape.pixels)), "png")
            return f'<image {position} preserveAspectRatio="none" class="pixels" href="{source}"/>'
