"""Insertion and deletion (Petsiuk et al. 2018, section 3.2): the score as the pixels of an image come and go.

A map that names what counts brings the score down fast when its strongest pixels are deleted first, and up fast when
they are inserted first into a blurred image: faster than a random order does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from convworks.explain.attribution.passes import in_chunks, scores_of
from convworks.explain.attribution.target import Target

#: Parts in which the pixels of an image come and go, and random orders to compare with.
STEPS, ORDERS = 16, 4
#: Blurring: passes of a box whose side is this fraction of the image's.
PASSES, BOX = 3, 0.25
POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}

Images = Float[Tensor, "b c *size"]
Map = Float[Tensor, "b *size"]
Order = Int64[Tensor, "b n"]


@dataclass(frozen=True, kw_only=True)
class Areas:
    """The mean scores of each image while its pixels are inserted (more is better) and deleted (less is better)."""

    insertion: Float[Tensor, " b"]
    deletion: Float[Tensor, " b"]


def areas(network: nn.Module, images: Images, target: Target, maps: Map, *, seed: int = 0) -> Areas:
    """Return the areas for the order of a map, its largest values first; equal values come in random order."""
    return _areas(network, images, target, order_of(maps, seed))


def random_areas(network: nn.Module, images: Images, target: Target, *, orders: int = ORDERS, seed: int = 0) -> Areas:
    """Return the best areas of each image among random orders; their mean, noise beats every third time."""
    blank = torch.zeros(len(images), *images.shape[2:])
    each = [_areas(network, images, target, order_of(blank, seed + 1 + number)) for number in range(orders)]
    return Areas(
        insertion=torch.stack([area.insertion for area in each]).amax(0),
        deletion=torch.stack([area.deletion for area in each]).amin(0),
    )


def order_of(maps: Map, seed: int) -> Order:
    """Return the indices of the pixels, the largest value first, equal ones in random order."""
    flat = maps.detach().cpu().flatten(1)
    shuffled = torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(seed))
    return shuffled[flat[:, shuffled].argsort(dim=1, descending=True, stable=True)]


def _areas(network: nn.Module, images: Images, target: Target, order: Order) -> Areas:
    return Areas(
        insertion=curve(network, blurred(images), images, target, order).mean(0),
        deletion=curve(network, images, torch.zeros_like(images), target, order).mean(0),
    )


def curve(
    network: nn.Module, start: Images, end: Images, target: Target, order: Order, *, steps: int = STEPS
) -> Float[Tensor, "steps b"]:
    """Return the scores on the way from one image to another, a part of the pixels at a time, in an order.

    There are steps + 1 images on the way; each score is the mean of two neighbours, so that their mean is the area.
    """
    pixels = order.shape[1]
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(pixels).expand_as(order))
    rank = rank.view(len(start), 1, *start.shape[2:]).to(start.device)
    scores = torch.empty((steps + 1) * len(start), dtype=start.dtype, device=start.device)
    for part in in_chunks(len(scores), start[0]):
        row = torch.arange(part.start, part.stop)
        image, done = row % len(start), row // len(start) * pixels / steps
        gone = rank[image] < done.to(start.device).view(-1, *(1,) * (start.ndim - 1))
        scores[part] = scores_of(network, torch.where(gone, end[image], start[image]), target.rows(image))
    along = scores.view(steps + 1, len(start))
    return (along[1:] + along[:-1]) / 2


def blurred(images: Images) -> Images:
    """Return images without their details: several means over boxes, nearly a Gaussian."""
    rank = images.ndim - 2
    side = max(1, int(min(images.shape[2:]) * BOX) // 2)
    for _ in range(PASSES):
        images = POOLS[rank](images, 2 * side + 1, stride=1, padding=side, count_include_pad=False)
    return images
