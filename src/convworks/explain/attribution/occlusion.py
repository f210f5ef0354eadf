"""Occlusion (Zeiler and Fergus 2013, section 4.2): by how much the score falls where a window of the image is grey."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.explain.attribution.passes import in_chunks, scores_of
from convworks.explain.attribution.target import Target

#: Windows along the shorter side of an image, and the step from one to the next as a fraction of their side.
WINDOWS, STEP = 7, 0.5

Images = Float[Tensor, "b c *size"]


def occlusion(
    network: nn.Module, images: Images, target: Target, *, window: int | None = None, step: int | None = None
) -> Float[Tensor, "b *size"]:
    """Return for each pixel the mean fall of the score over the windows that cover it.

    `window` is the side of a window in pixels (default: a seventh of the shorter side), `step` the distance between
    windows (default: half of that). Windows are filled with zeros, the mean colour; the last one along an axis ends
    with the image, so that every pixel is covered.
    """
    size = images.shape[2:]
    side = max(1, min(size) // WINDOWS) if window is None else window
    places = windows(size, side, max(1, int(side * STEP)) if step is None else step)
    before = scores_of(network, images, target)
    total, covered = torch.zeros_like(images[:, 0]), torch.zeros_like(images[0, 0])
    for part in in_chunks(len(places), images[0]):
        gone = torch.zeros(part.stop - part.start, *size, dtype=images.dtype, device=images.device)
        for index, place in enumerate(places[part]):
            gone[index][place] = 1
        covered += gone.sum(0)
        for index, image in enumerate(images):
            rows = torch.full((len(gone),), index)
            falls = before[index] - scores_of(network, image * (1 - gone)[:, None], target.rows(rows))
            total[index] += torch.einsum("w,w...->...", falls, gone)
    return total / covered


def windows(size: Sequence[int], side: int, step: int) -> list[tuple[slice, ...]]:
    """Return windows of a side, every `step` pixels along each axis; the last ends with the image."""
    starts = []
    for length in size:
        last = max(0, length - side)
        starts.append(sorted({*range(0, last, step), last}))
    return [tuple(slice(first, first + side) for first in corner) for corner in itertools.product(*starts)]
