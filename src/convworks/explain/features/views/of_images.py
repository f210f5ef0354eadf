"""Views of single images: feature maps, receptive fields, inversions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convworks.charts.drawing import Drawing, Line, Picture, Rectangle, Shape, Text, remark
from convworks.charts.grid import colour_tile, grid, rgba, signed_tile, strongest_of
from convworks.charts.lettering import fit
from convworks.charts.signed import signed_picture
from convworks.console import counting
from convworks.errors import visible
from convworks.explain.features.field import ReceptiveField, Span, receptive_field
from convworks.explain.features.invert import invert
from convworks.explain.features.layer import last_stage, normalised, outputs_at, require_map, to_pixels
from convworks.explain.features.views.view import Request, Sample, Shown, left_out

MAPS, COLUMNS, SIDE = 64, 8, 84.0
WHOLE = 260.0  # side of an image that is shown alone, in points
SILENT = "none of them counts for this image: the gradient is 0 in all channels"
STEPS = 400


def draw_maps(request: Request) -> Iterator[Shown]:
    """Show the feature maps of a layer for each image, by default of the last stage."""
    network, layer = request.network, request.activation(last_stage)
    for sample, inputs in _inputs(request):
        with torch.inference_mode():
            output = outputs_at(network, layer, inputs)
        require_map(layer, output)
        maps = output[0].float().cpu().numpy()
        chosen = request.chosen(layer, len(maps), MAPS)
        scale = strongest_of(maps)
        silent = int((np.abs(maps).max((1, 2)) == 0).sum())
        tiles = [
            signed_tile(maps[channel], scale, f"{channel}" if np.any(maps[channel]) else f"{channel}: 0 everywhere")
            for channel in chosen
        ]
        height, width = maps.shape[1:]
        remarks = [f"{sample.name}; one scale for all maps", *left_out(len(chosen), len(maps), "channels")]
        drawing = grid(
            tiles,
            columns=COLUMNS,
            side=SIDE,
            title=f"Maps of {layer.name}: {len(maps)} of {height}x{width}",
            remarks=remarks,
            scale=scale,
        )
        line = f"{_read(sample)}: {len(maps)} maps of {height}x{width}, from {maps.min():.3g} to {maps.max():.3g}"
        line += f"; {silent} channels are 0 everywhere" if silent else ""
        values = {
            "layer": layer.name,
            "image": sample.name,
            "shape": list(maps.shape),
            "minimum": float(maps.min()),
            "maximum": float(maps.max()),
            "silent": silent,
        }
        yield Shown(name=f"{sample.name}-maps", drawing=drawing, arrays={"maps": maps}, values=values, lines=[line])


def draw_field(request: Request) -> Iterator[Shown]:
    """Draw the receptive fields of a unit over each image: by default the central unit of the last stage."""
    network, layer = request.network, request.activation(last_stage)
    for sample, inputs in _inputs(request):
        field = receptive_field(network, layer, inputs, request.options.unit)
        pixels = request.predictor.input.picture(sample.pixels)
        row, column = field.unit
        sides = [last - first + 1 for first, last in field.spans]
        effective = f"those that count make a square of {field.side:.0f}" if field.counting else SILENT
        line = f"{_read(sample)}: unit {row},{column} of {layer.name} can see {sides[0]}x{sides[1]} pixels; {effective}"
        values = {
            "layer": layer.name,
            "image": sample.name,
            "unit": list(field.unit),
            "theoretical": [list(span) for span in field.spans],
            "effective": [list(span) for span in field.counting],
            "effective_side": field.side,
        }
        yield Shown(
            name=f"{sample.name}-field",
            drawing=_field_drawing(
                pixels, field, f"Receptive field of unit {row},{column} of {layer.name}", sample.name
            ),
            arrays={"gradient": field.gradient.cpu().numpy()},
            values=values,
            lines=[line],
        )


def draw_inversion(request: Request) -> Iterator[Shown]:
    """Show, beside each image, one with the same activations at a layer, by default at the last stage."""
    network, layer = request.network, request.activation(last_stage)
    preprocessing = request.predictor.bundle.preprocessing
    steps = request.options.steps or STEPS
    for sample in request.images:
        wanted = sample.pixels[None].to(request.predictor.runtime.device).float() / 255
        with counting(f"inverting {sample.name}") as report:
            result = invert(
                network,
                layer,
                wanted,
                lambda images: normalised(images, preprocessing),
                steps=steps,
                seed=request.seed,
                report=report,
            )
        kept = float(result.errors[0])
        (pixels,) = to_pixels(result.images)
        tiles = [
            colour_tile(request.predictor.input.picture(sample.pixels), "image"),
            colour_tile(pixels, f"same activations, error {kept:.2g}"),
        ]
        line = f"{_read(sample)}: the activations of {layer.name} are matched up to {kept:.3g} of their squared norm"
        drawing = grid(
            tiles, columns=2, side=WHOLE, title=f"{layer.name} inverted", remarks=[f"{sample.name}; {steps} steps"]
        )
        yield Shown(
            name=f"{sample.name}-invert",
            drawing=drawing,
            arrays={"image": result.images[0].cpu().numpy(), "error": result.errors.cpu().numpy()},
            values={"layer": layer.name, "image": sample.name, "error": kept, "steps": steps},
            lines=[line],
        )


def _inputs(request: Request) -> Iterator[tuple[Sample, Float[Tensor, "1 c h w"]]]:
    """Yield each image, as a batch that the network reads."""
    device = request.predictor.runtime.device
    for sample in request.images:
        yield sample, request.predictor.input.normalise(sample.pixels[None].to(device))


def _read(sample: Sample) -> str:
    """Return the name of an image, and the size at which the network reads it."""
    return f"{visible(sample.name)} (read at {'x'.join(map(str, sample.pixels.shape[1:]))})"


def _field_drawing(pixels: np.ndarray, field: ReceptiveField, title: str, name: str) -> Drawing:
    """Draw the image with both boxes, and the gradient beside it."""
    gradient = field.gradient.cpu().numpy()
    heat = rgba(signed_picture(gradient.astype(np.float32), strongest_of(gradient)))
    height, width = pixels.shape[:2]
    scale = WHOLE / max(height, width)
    wide, high, top = width * scale, height * scale, 64.0
    full = max(2 * wide + 26, 440)
    blue = "what counts" if field.counting else "nothing counts"
    shapes: list[Shape] = [
        Text(x=0, y=10, text=title, size=15, bold=True),
        remark(0, 30, fit(name, 11, full), "start", size=11),
        remark(0, 47, f"orange: what it can see; blue: {blue}", "start", size=11),
        remark(wide + 24, 47, "gradient, root mean square", "start", size=11),
    ]
    for left, picture in ((0.0, colour_tile(pixels).pixels), (wide + 24, heat)):
        frame = Rectangle(x=left - 1, y=top - 1, width=wide + 2, height=high + 2, fill="grid")  # pixels may be white
        shapes += [frame, Picture(x=left, y=top, width=wide, height=high, pixels=picture)]
        for spans, colour, line in ((field.spans, "orange", 5.0), (field.counting, "blue", 2.0)):  # both show if equal
            if spans:
                corners = _corners(spans, left, top, scale, (height, width))
                shapes.append(Line(points=corners, stroke=colour, width=line))
    return Drawing(width=full, height=top + high + 2, label=title, shapes=tuple(shapes))


def _corners(
    spans: Sequence[Span], left: float, top: float, scale: float, size: tuple[int, int]
) -> tuple[tuple[float, float], ...]:
    """Return the outline of a field, cut off at the border of the image."""
    (y0, y1), (x0, x1) = (
        (min(max(first, 0), length) * scale, max(min(last + 1, length), 0) * scale)
        for (first, last), length in zip(spans, size, strict=True)
    )
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    return tuple((left + x, top + y) for x, y in corners)
