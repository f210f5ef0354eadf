"""The patches of a source that a channel responds to most, cut by its receptive field (Zeiler and Fergus 2013)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor, nn

from convworks.data.decode.images import Images, take
from convworks.data.inputs.input import Input
from convworks.data.samples import Samples
from convworks.explain.features.layer import Layer, outputs_at
from convworks.inference.answers import answers
from convworks.inference.runtime import TorchRuntime
from convworks.ops.receptive import Field

GREY = 128  # what lies beyond the border of an image


@dataclass(frozen=True, kw_only=True)
class Strongest:
    """The strongest responses of each channel, one an image at most, the strongest first: value, image, unit."""

    values: Float32[np.ndarray, "c k"]
    images: Int64[np.ndarray, "c k"]
    units: Int64[np.ndarray, "c k *rank"]


def strongest(network: nn.Module, layer: Layer, images: Images, reads: Input, *, most: int = 9) -> Strongest:
    """Return the `most` images to which each channel of a layer responds most, and the unit that does.

    Images are computed batch by batch; only the best so far are kept.
    """
    values, numbers, units = (torch.empty(0) for _ in range(3))
    size: tuple[int, ...] = ()

    def compute(batch: Tensor) -> Tensor:
        return outputs_at(network, layer, reads.normalise(batch))

    runtime = TorchRuntime(network=network, input=reads, precision=torch.float32)
    with torch.inference_mode():
        for answered in answers(runtime, Samples(images=images), compute=compute):
            maps = answered.outputs.float().cpu()
            size = tuple(maps.shape[2:])
            best, unit = maps.flatten(2).max(2) if size else (maps, torch.zeros_like(maps, dtype=torch.int64))
            number = torch.from_numpy(answered.indices)[:, None].expand_as(best)
            columns = (torch.cat(pair) if len(pair[0]) else pair[1] for pair in (
                (values, best), (numbers, number), (units, unit)
            ))  # fmt: skip
            values, numbers, units = columns
            order = values.argsort(dim=0, descending=True, stable=True)[:most]
            values, numbers, units = (each.gather(0, order) for each in (values, numbers, units))
    positions = np.stack(np.unravel_index(units.T.numpy(), size), -1) if size else units.T.numpy()[..., None][..., :0]
    return Strongest(values=values.T.numpy(), images=numbers.T.numpy(), units=positions)


def patch(
    images: Images, index: int, unit: Sequence[int], fields: Sequence[Field], reads: Input
) -> UInt8[np.ndarray, "h w c"]:
    """Return the part of an image in the receptive field of a unit, grey beyond the border; all if it has none.

    Along an axis on which the field is as long as the image, the part is as long as the image, too, and grey is what
    lies beyond the field.
    """
    pixels = reads.picture(take(images, slice(index, index + 1))[0])
    if len(fields) != len(unit) or not unit:
        return pixels
    windows, seen = [], []
    for field, place, length in zip(fields, unit, pixels.shape, strict=False):
        span = field.span(place) or (0, length - 1)
        windows.append((0, length - 1) if span[1] - span[0] + 1 >= length else span)
        seen.append(slice(max(span[0], 0), max(min(span[1] + 1, length), 0)))  # empty where it is padding alone
    (top, bottom), (left, right) = windows
    cut = np.full((bottom - top + 1, right - left + 1, pixels.shape[2]), GREY, np.uint8)
    inside = pixels[seen[0], seen[1]]
    y, x = seen[0].start - top, seen[1].start - left
    cut[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return cut
