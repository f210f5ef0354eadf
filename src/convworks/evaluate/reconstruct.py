"""The images that a network makes of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from convworks.data.batches import normalise
from convworks.data.config import Corruption
from convworks.data.corrupt import corrupt, fixed_key
from convworks.data.images import Decoded, Images, ahead, take
from convworks.data.memory import processors
from convworks.data.preprocess import Preprocessing
from convworks.evaluate.predict import ALL, batch_size
from convworks.layers.mode import evaluating


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
        found = ahead(partial(take, images), pieces, processors() if isinstance(images, Decoded) else 0)
        for numbers, part in zip(pieces, found, strict=True):
            read = part if corruption is None else corrupt(part, corruption, key, numbers.tolist())
            with (
                torch.inference_mode(),
                torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16),
            ):
                made = network(normalise(read.to(device), preprocessing.mean, preprocessing.std))
            yield Made(part.to(device), read, made.float())


def to_bytes(made: Float32[Tensor, "b c h w"]) -> UInt8[np.ndarray, "b h w c"]:
    """Return made images as bytes: rounded, and cut off at black and white."""
    pixels: np.ndarray = (255 * made).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pixels
