"""The images that channels respond to most, found by climbing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from convworks.charts.grid import colour_tile, grid
from convworks.console import counting
from convworks.explain.features.layer import last_stage, normalised, outputs_at, to_pixels
from convworks.explain.features.maximise import STARTS, maximise
from convworks.explain.features.views.view import Request, Shown, left_out

SHOWN, COLUMNS, SIDE, STEPS = 16, 8, 112.0, 256


def draw_preferred(request: Request) -> Iterator[Shown]:
    """Show the preferred images of the channels of a layer, by default the last stage, and say which never fire."""
    network, layer = request.network, request.activation(last_stage)
    preprocessing = request.predictor.bundle.preprocessing
    with torch.inference_mode():
        count = outputs_at(network, layer, request.predictor.input.example(device=request.predictor.runtime.device))
    chosen = request.chosen(layer, count.shape[1], SHOWN)
    steps = request.options.steps or STEPS
    with counting(f"maximising {len(chosen)} channels") as report:
        result = maximise(
            network,
            layer,
            chosen,
            lambda images: normalised(images, preprocessing),
            preprocessing.shape,  # type: ignore[arg-type]  # channels, height, width
            steps=steps,
            seed=request.seed,
            report=report,
        )
    fires, responses = result.fires.tolist(), result.responses.tolist()
    never = [channel for channel, does in zip(chosen, fires, strict=True) if not does]
    tiles = [
        colour_tile(pixels, f"{channel}: {response:.3g}" if does else f"{channel}: not above 0")
        for channel, pixels, response, does in zip(chosen, to_pixels(result.images), responses, fires, strict=True)
    ]
    remarks = [
        f"the response of the central unit below each; {steps} steps",
        *left_out(len(chosen), count.shape[1], "channels"),
    ]
    drawing = grid(tiles, columns=COLUMNS, side=SIDE, title=f"What {layer.name} responds to most", remarks=remarks)
    lines = [f"{layer.name}: {len(chosen) - len(never)} of {len(chosen)} channels respond to what was found"]
    if never:
        listed = ", ".join(map(str, never))
        lines.append(
            f"not above 0 for any of {STARTS} images of noise: {listed}; their pictures show nothing. "
            "Whether images of a source do it: --show patches"
        )
    yield Shown(
        name="maximise",
        drawing=drawing,
        arrays={
            "channels": np.array(chosen),
            "images": result.images.cpu().numpy(),
            "responses": result.responses.cpu().numpy(),
            "responses_to_noise": result.before.cpu().numpy(),
        },
        values={
            "layer": layer.name,
            "channels": list(chosen),
            "responses": responses,
            "never_above_0": never,
            "steps": steps,
        },
        lines=lines,
    )
