"""Views of weights alone: kernels, and Gabor functions fitted to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from convworks.charts.grid import Tile, colour_tile, grid, signed_tile, strongest_of
from convworks.errors import InputError
from convworks.explain.features.kernels import COLOURS, first_convolution, in_colour, kernels
from convworks.explain.features.layer import layer_at, layers
from convworks.explain.features.views.view import Request, Shown, left_out
from convworks.explain.gabor.controls import SHUFFLED, TRAINED, UNTRAINED, fits
from convworks.explain.gabor.fit import PARAMETERS, gabor, principal_colour
from convworks.layers.network import Network
from convworks.models.catalogue import Shape
from convworks.models.transfer.adapted import assemble

ROWS, COLUMNS = 16, 16  # kernels and input channels shown
ALONE, LINES = 12, 8  # kernels in a row, and rows, where they have one channel
SIDE = 42.0
ENOUGH = 3 * PARAMETERS  # values of a kernel, below which nearly anything is a Gabor function
CONTROLS = 3  # untrained networks


def draw_kernels(request: Request) -> Iterator[Shown]:
    """Show the kernels of a layer, by default the first convolution: a row each, unless they have one channel."""
    layer = request.layer(lambda network: first_convolution(layers(network)))
    values = kernels(layer)
    count, inputs, height, width = values.shape
    scale = strongest_of(values)
    alone, coloured = inputs == 1, inputs == COLOURS
    chosen = request.chosen(layer, count, ALONE * LINES if alone else ROWS)
    tiles: list[Tile] = []
    for channel in chosen:
        tiles += [colour_tile(in_colour(values[channel], scale))] if coloured else []
        tiles += [signed_tile(part, scale, f"{channel}" if alone else "") for part in values[channel, :COLUMNS]]
    if coloured:
        remarks = ["one row a kernel: in colour, then on red, green and blue"]
    elif not alone:
        remarks = [f"one row a kernel, one column an input channel, {min(inputs, COLUMNS)} of {inputs}"]
    else:
        remarks = []
    drawing = grid(
        tiles,
        columns=ALONE if alone else min(inputs, COLUMNS) + coloured,
        side=SIDE,
        title=f"Kernels of {layer.name}: {count} of {inputs}x{height}x{width}",
        remarks=[*remarks, *left_out(len(chosen), count, "kernels")],
        rows=() if alone else [str(channel) for channel in chosen],
        scale=scale,
    )
    low, high = float(values.min()), float(values.max())
    summary = {"layer": layer.name, "shape": list(values.shape), "minimum": low, "maximum": high}
    line = f"{layer.name}: {count} kernels of {inputs}x{height}x{width}, from {low:.3g} to {high:.3g}"
    yield Shown(name="kernels", drawing=drawing, arrays={"kernels": values}, values=summary, lines=[line])


def draw_gabor(request: Request) -> Iterator[Shown]:
    """Fit Gabor functions to the kernels of a layer, by default the first convolution, and to controls."""
    layer = request.layer(lambda network: first_convolution(layers(network)))
    values = kernels(layer)
    if min(values.shape[2:]) < 2:
        shape = "x".join(map(str, values.shape[2:]))
        raise InputError("--tap", f"{layer.name} has kernels of {shape}, without an orientation", "name another layer")
    untrained = [kernels(layer_at(network, layer.name)) for network in _untrained(request)]
    result = fits(values, untrained, seed=request.seed)
    own = result.fits[TRAINED]
    medians = {name: result.median(name) for name in (TRAINED, UNTRAINED, SHUFFLED)}
    size = values.shape[2:]
    tiles = []
    for channel, fit in enumerate(own[: ALONE * LINES // 2]):
        pattern, _ = principal_colour(values[channel])
        scale = strongest_of(pattern.astype(np.float32))
        tiles.append(signed_tile(pattern, scale, f"{channel}"))
        tiles.append(signed_tile(gabor(fit, (size[0], size[1])), scale, f"R² {fit.r2:.2f}"))
    table = ", ".join(f"{name} {median:.3f}" for name, median in medians.items())
    chances = ", ".join(f"{name} p = {p:.2g}" for name, p in result.p.items())
    few = values[0, 0].size < ENOUGH
    note = (
        f"a kernel has {values[0, 0].size} values, a Gabor function {PARAMETERS} parameters: controls fit well too, "
        "so compare with them, not with 1"
    )
    lines = [f"median R²: {table}", f"trained above: {chances} (Mann and Whitney, one-sided)"]
    lines += [f"note: {note}"] if few else []
    drawing = grid(
        tiles,
        columns=ALONE,
        side=SIDE,
        title=f"Gabor functions fitted to {layer.name}",
        remarks=["kernels (in their main colour), each beside its fit, on a scale of their own", *lines],
    )
    arrays = {
        f"{name}_{field}": np.array([getattr(fit, field) for fit in result.fits[name]])
        for name in result.fits
        for field in asdict(own[0])
    }
    summary = {
        "layer": layer.name,
        "median_r2": medians,
        "p": dict(result.p),
        "parameters": PARAMETERS,
        "values": int(values[0, 0].size),
        "energy_in_main_colour": float(np.mean(result.energy)),
        **({"note": note} if few else {}),
    }
    yield Shown(name="gabor", drawing=drawing, arrays=arrays, values=summary, lines=[f"{layer.name}:", *lines])


def _untrained(request: Request) -> Iterator[Network]:
    """Yield networks of the same kind with their first weights."""
    import torch

    bundle = request.predictor.bundle
    channels = bundle.preprocessing.channels
    classes = bundle.task.outputs(bundle.classes, channels)
    shape = Shape(classes=classes, channels=channels, size=bundle.preprocessing.size)
    for number in range(CONTROLS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(request.seed + number)
            yield assemble(bundle.model, shape)
