"""Kernels and feature maps over the checkpoints of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float32

from convworks.charts.grid import colour_tile, grid, signed_tile, strongest_of
from convworks.explain.checkpoints import checkpoints_of
from convworks.explain.features.kernels import COLOURS, first_convolution, in_colour, kernels
from convworks.explain.features.layer import Layer, last_stage, layer_at, layers, outputs_at, require_map
from convworks.explain.features.views.view import Request, Sample, Shown, left_out
from convworks.layers.network import Network

SHOWN, ROWS, SIDE = 12, 12, 56.0  # channels and checkpoints in the picture


def draw_history(request: Request) -> Iterator[Shown]:
    """Show kernels of the first convolution, or for each image maps of the last stage: a row for each checkpoint.

    Of many checkpoints ROWS are drawn, evenly from the first to the last; the arrays hold all. A kernel with more than
    one input channel is shown in colour if there are three, else by its first channel. The network of one checkpoint is
    in memory at a time.
    """
    saved = checkpoints_of(request.path, request.network, "--show history", least=2)
    if not request.images:
        layer = request.layer(lambda network: first_convolution(layers(network)))
        values = np.stack([kernels(layer_at(network, layer.name)) for network in saved.networks()])
        yield _shown(request, layer, values, saved.steps, "")
        return
    layer = request.activation(last_stage)
    by_step = [[_maps(request, network, layer, sample) for sample in request.images] for network in saved.networks()]
    for sample, maps in zip(request.images, zip(*by_step, strict=True), strict=True):
        yield _shown(request, layer, np.stack(maps)[:, :, None], saved.steps, sample.name)


def _maps(request: Request, network: Network, layer: Layer, sample: Sample) -> Float32[np.ndarray, "c h w"]:
    inputs = request.predictor.input.normalise(sample.pixels[None].to(request.predictor.runtime.device))
    with torch.inference_mode():
        output = outputs_at(network, layer, inputs)
    require_map(layer, output)
    maps: np.ndarray = output[0].float().cpu().numpy()
    return maps


def _shown(
    request: Request, layer: Layer, values: Float32[np.ndarray, "t c i h w"], steps: Sequence[int], image: str
) -> Shown:
    """Return the drawing of kernels, or of maps with one input channel, on one scale for all checkpoints."""
    count, inputs, scale = *values.shape[1:3], strongest_of(values)
    chosen = request.chosen(layer, count, SHOWN)
    what = "maps" if image else "kernels"
    rows = sorted({round(row) for row in np.linspace(0, len(steps) - 1, min(ROWS, len(steps))).tolist()})
    drawn = [steps[row] for row in rows]
    fewer = f"{len(rows)} of {len(steps)} checkpoints" if len(rows) < len(steps) else ""
    tiles = [
        colour_tile(in_colour(each[channel], scale)) if inputs == COLOURS else signed_tile(each[channel, 0], scale)
        for each in values[rows]
        for channel in chosen
    ]
    drawing = grid(
        tiles,
        columns=len(chosen),
        side=SIDE,
        title=f"{what.capitalize()} of {layer.name} over the run",
        remarks=[
            f"{image + '; ' if image else ''}one row a checkpoint, one scale for all{', ' + fewer if fewer else ''}",
            *([f"input channel 0 of {inputs}"] if inputs not in (1, COLOURS) else []),
            *left_out(len(chosen), count, what),
        ],
        rows=[f"step {step:,}" for step in drawn],
        scale=scale,
    )
    moved = float(np.abs(values[-1] - values[0]).max())
    lines = [f"{layer.name}: {count} {what} at {len(steps)} checkpoints; the largest change is {moved:.3g}"]
    if fewer:
        listed = ", ".join(f"{step:,}" for step in drawn)
        lines.append(f"drawn: {fewer}, those of steps {listed}; the numbers (.npz) are of all")
    return Shown(
        name=f"{image}-history" if image else "history",
        drawing=drawing,
        arrays={what: values if not image else values[:, :, 0], "steps": np.array(steps)},
        values={
            "layer": layer.name,
            "steps": list(steps),
            "drawn": drawn,
            "largest_change": moved,
            **({"image": image} if image else {}),
        },
        lines=lines,
    )
