"""Views of many images: the strongest patches of a source, and its features in the plane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from convworks.charts.drawing import row
from convworks.charts.grid import Tile, colour_tile, grid
from convworks.charts.scatter import scatter
from convworks.console import counting
from convworks.data.decode.images import Images
from convworks.data.samples import Samples
from convworks.data.source import Split
from convworks.errors import InputError
from convworks.explain.features.embedding import Embedding, principal, tsne
from convworks.explain.features.field import fields_at
from convworks.explain.features.layer import Layer, last_stage, outputs_at
from convworks.explain.features.patches import GREY, patch, strongest
from convworks.explain.features.views.view import Request, Shown, left_out
from convworks.inference.answers import answers
from convworks.inference.features import vectors
from convworks.inference.held_out import with_held_out
from convworks.inference.predictor import choose_split
from convworks.inference.runtime import TorchRuntime
from convworks.layers.cut import default_cut
from convworks.models.transfer.adapted import makes_logits
from convworks.ops.receptive import Field

SHOWN, PATCHES, SIDE, NAMED = 16, 9, 56.0, 20
POINTS, FEWEST = 1000, 8  # images in the plane


def draw_patches(request: Request) -> Iterator[Shown]:
    """Show the patches of a source that each channel of a layer responds to most, by default of the last stage."""
    network, layer, input = request.network, request.activation(last_stage), request.predictor.input
    name, split = _split(request)
    with counting(f"decoding {name}") as report:
        images = input.open(split, report=report).images
    best = strongest(network, layer, images, input, most=PATCHES)
    fields: tuple[Field, ...] = ()
    with suppress(InputError):  # without a known field, the whole image is shown
        fields = fields_at(network, layer, input.channels, input.size)
    count = len(best.values)
    chosen = request.chosen(layer, count, SHOWN)
    tiles, rows = [], []
    for channel in chosen:
        strengths = best.values[channel]
        rows.append(f"{channel}" if strengths[0] > 0 else f"{channel}: never above 0")
        for strength, index, unit in zip(strengths, best.images[channel], best.units[channel], strict=True):
            cut = patch(images, int(index), unit.tolist(), fields, input)
            # After a ReLU, 0 is no response: whichever unit comes first has it.
            tiles.append(colour_tile(cut, f"{strength:.3g}") if strength else colour_tile(np.full_like(cut, GREY)))
    never = np.flatnonzero(best.values[:, 0] <= 0).tolist()
    whole = not best.units.shape[2] or any(field.stride == 0 for field in fields)
    kind = "images" if whole else "patches, cut by the receptive field"
    drawing = grid(
        _alike(tiles),
        columns=best.values.shape[1],
        side=SIDE,
        title=f"Strongest {'images' if whole else 'patches'} for {layer.name}",
        remarks=[f"{len(images):,} images of {request.source.name if request.source else ''} ({name}); {kind}",
                 *left_out(len(chosen), count, "channels")],
        rows=rows,
    )  # fmt: skip
    lines = [f"{layer.name}: {count} channels on {len(images):,} images of {name}"]
    if never:
        named = ", ".join(map(str, never[:NAMED])) + (", ..." if len(never) > NAMED else "")
        lines.append(f"never above 0 on any of them: {len(never)} channels ({named})")
    yield Shown(
        name="patches",
        drawing=drawing,
        arrays={
            "responses": best.values,
            "images": np.array(split.names)[best.images],
            "units": best.units,
        },
        values={"layer": layer.name, "split": name, "n": len(images), "channels": count, "never_above_0": never},
        lines=lines,
    )


def draw_embedding(request: Request) -> Iterator[Shown]:
    """Show the features of a source in the plane, by default those before the last layer."""
    predictor = request.predictor
    layer = request.activation(lambda network: default_cut(network, encoder=not makes_logits(predictor.bundle.model)))
    name, split = _split(request)
    kept = _evenly(split, POINTS)
    if len(kept) < FEWEST:
        raise InputError("--data", f"{name} has {len(kept)} images", f"give at least {FEWEST}")
    with counting(f"decoding {name}") as report:
        images = predictor.input.open(kept, report=report).images
    features = _features(request, layer, images)
    plane = {"Principal components": principal(features), "t-SNE": tsne(features, request.seed)}
    labels = kept.labels if kept.labels.ndim == 1 else np.full(len(kept), -1)
    classes = request.source.classes if request.source else ()
    shown = f"{len(kept):,} of {len(split):,} images of {request.source.name if request.source else ''} ({name})"
    about = {"Principal components": f"{layer.name}; {shown}", "t-SNE": "distances between clusters mean nothing"}
    drawings = [
        scatter(each.points, labels, classes, title=title, remarks=[about[title], _words(each)])
        for title, each in plane.items()
    ]
    drawing = row(drawings, 28.0, f"Features of {layer.name} in the plane")
    yield Shown(
        name="embedding",
        drawing=drawing,
        arrays={
            "names": np.array(kept.names),
            "labels": labels,
            "principal_components": plane["Principal components"].points,
            "tsne": plane["t-SNE"].points,
        },
        values={
            "layer": layer.name,
            "split": name,
            "n": len(kept),
            "variance": list(plane["Principal components"].variance),
            "trustworthiness": {title.lower(): each.trust for title, each in plane.items()},
        },
        lines=[f"{layer.name}: {len(kept):,} of {len(split):,} images of {name}, {features.shape[1]} features each",
               *(f"{title}: {_words(each)}" for title, each in plane.items())],
    )  # fmt: skip


def _features(request: Request, layer: Layer, images: Images) -> Float32[np.ndarray, "n f"]:
    """Return the output of a layer for each image, averaged over its map."""
    network, input = request.network, request.predictor.input

    def compute(batch: Tensor) -> Tensor:
        return vectors(outputs_at(network, layer, input.normalise(batch)), "average").cpu()

    runtime = TorchRuntime(network=network, input=input, precision=torch.float32)
    with torch.inference_mode():
        parts = [answered.outputs for answered in answers(runtime, Samples(images=images), compute=compute)]
    features: np.ndarray = torch.cat(parts).numpy()
    return features


def _split(request: Request) -> tuple[str, Split]:
    assert request.source is not None  # the view needs it
    split = request.options.split
    return choose_split(with_held_out(request.source, split, [request.predictor.bundle]), split)


def _evenly(split: Split, most: int) -> Split:
    """Return at most so many samples of a split, spread evenly over it."""
    return split if len(split) <= most else split.select(np.linspace(0, len(split) - 1, most).astype(np.int64))


def _words(embedding: Embedding) -> str:
    """Say how far the picture can be believed."""
    variance = f"{sum(embedding.variance):.0%} of the variance, " if embedding.variance else ""
    return f"{variance}trustworthiness {embedding.trust:.2f}"


def _alike(tiles: list[Tile]) -> list[Tile]:
    """Return tiles of one shape: those of units at a border are as large as the others, by `patch`; else padded."""
    height, width = (max(tile.pixels.shape[axis] for tile in tiles) for axis in (0, 1))
    alike = []
    for tile in tiles:
        h, w = tile.pixels.shape[:2]
        pixels = np.zeros((height, width, 4), np.uint8)
        pixels[:h, :w] = tile.pixels
        alike.append(Tile(pixels=pixels, caption=tile.caption))
    return alike
