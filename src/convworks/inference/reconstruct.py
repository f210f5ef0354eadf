"""The images that a network makes of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from convworks.data.augment.corruption import corrupt, fixed_key
from convworks.data.batches import normalise
from convworks.data.config import Corruption
from convworks.data.decode.images import Images, ahead, fetchers, take
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.inference.logits import ALL, batch_size, finite
from convworks.layers.mode import evaluating
from convworks.tasks.reconstruction import Pictures, Reconstructions
from convworks.tasks.task import squared_errors

#: How many images a report shows, and how many of the worst.
EXAMPLES, WORST = 20, 10


class Made(NamedTuple):
    """Some images as they are, as a network read them, and what it made of those, values from 0 to 1."""

    images: UInt8[Tensor, "b c h w"]
    read: UInt8[Tensor, "b c h w"]
    made: Float32[Tensor, "b c h w"]


def reconstruct(
    network: nn.Module,
    images: Images,
    preprocessing: Preprocessing,
    precision: torch.dtype,
    corruption: Corruption | None = None,
    which: slice | Sequence[int] = ALL,
) -> Iterator[Made]:
    """Yield images and what a network makes of them, some at a time, in evaluation mode; the mode is restored.

    What corruption does to an image depends on its place among the images alone.
    """
    device = next(network.parameters()).device
    size = batch_size(device, (images.shape[2], images.shape[3]))
    places = np.arange(len(images))[which] if isinstance(which, slice) else np.array(which, dtype=np.int64)
    pieces = [places[first : first + size] for first in range(0, len(places), size)]
    key = fixed_key()
    with evaluating(network):
        found = ahead(partial(take, images), pieces, fetchers(images))
        for numbers, part in zip(pieces, found, strict=True):
            read = part if corruption is None else corrupt(part, corruption, key, numbers.tolist())
            with (
                torch.inference_mode(),
                torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16),
            ):
                made = network(normalise(read.to(device), preprocessing.mean, preprocessing.std))
            yield Made(part.to(device), read, made.float())


def look(
    network: nn.Module,
    images: Images,
    preprocessing: Preprocessing,
    precision: torch.dtype,
    *,
    split: str,
    names: Sequence[str],
    corruption: Corruption | None,
) -> Reconstructions:
    """Measure what a network makes of a split. InputError where there is no image, RunError for what is not finite."""
    if not names:
        raise InputError(f"split {split!r}", "holds no images", "give a split with images")
    errors, before = [], []
    for piece in reconstruct(network, images, preprocessing, precision, corruption):
        errors.append(squared_errors(finite(piece.made), piece.images).double().cpu().numpy())
        before.append(squared_errors(piece.read.to(piece.images.device) / 255, piece.images).double().cpu().numpy())
    found = np.concatenate(errors)
    spread = np.linspace(0, len(found) - 1, min(EXAMPLES, len(found))).astype(int)
    worst = np.argsort(-found, kind="stable")[:WORST]

    def pictures(samples: np.ndarray) -> Pictures:
        made = list(reconstruct(network, images, preprocessing, precision, corruption, samples.tolist()))
        columns = [[piece.images / 255 for piece in made], [piece.read / 255 for piece in made]]
        drawn = [to_bytes(torch.cat(column)) for column in (*columns, [piece.made for piece in made])]
        return Pictures(samples=tuple(samples.tolist()), images=drawn[0], read=drawn[1], made=drawn[2])

    return Reconstructions(
        split=split,
        names=tuple(names),
        errors=found,
        read_errors=np.concatenate(before),
        corruption=corruption,
        examples=pictures(spread),
        worst=pictures(worst),
    )


def to_bytes(made: Float32[Tensor, "b c h w"]) -> UInt8[np.ndarray, "b h w c"]:
    """Return made images as bytes: rounded, and cut off at black and white."""
    pixels: np.ndarray = (255 * made).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pixels
