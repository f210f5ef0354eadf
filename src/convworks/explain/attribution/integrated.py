"""Integrated gradients (Sundararajan et al. 2017): the gradient along the path from a baseline to the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from convworks.explain.attribution.passes import forward_backward, in_chunks, scores_of
from convworks.explain.attribution.target import Target

#: The error of completeness at which refining ends, as a fraction of the difference that is distributed.
TOLERANCE = 1e-3
#: Points on the path of an image, at first and at most; and values of all its points at most.
FEWEST, MOST, VALUES = 32, 1024, 1 << 26

Images = Float[Tensor, "b c *size"]


@dataclass(frozen=True, kw_only=True)
class Integral:
    """Integrated gradients, and the points that each image took."""

    values: Images
    points: tuple[int, ...]


def integrated_gradients(network: nn.Module, images: Images, target: Target) -> Images:
    """Return the values alone, from the baseline of zeros: the mean colour."""
    return integrate(network, images, target).values


def integrate(
    network: nn.Module,
    images: Images,
    target: Target,
    *,
    baseline: Images | None = None,
    tolerance: float = TOLERANCE,
    most: int | None = None,
) -> Integral:
    """Integrate by the midpoint rule; each image gets as many points as it needs to be complete, at most `most`.

    A network of rectifiers bends so often on the path that the error falls with the number of points alone, whatever
    the order of a rule: the next number follows from the error of the last. Where `most` is None, it is 1,024, less for
    large images, whatever the number of images. `baseline` are images (default: zeros).
    """
    limit = max(FEWEST, min(MOST, VALUES // images[0].numel())) if most is None else most
    start = torch.zeros_like(images) if baseline is None else baseline
    differences = scores_of(network, images, target) - scores_of(network, start, target)
    values = torch.zeros_like(images)
    points = torch.full((len(images),), min(FEWEST, limit))
    waiting = torch.arange(len(images))
    while len(waiting):
        for count in sorted(set(points[waiting].tolist())):
            index = waiting[points[waiting] == count]
            values[index] = _midpoints(network, start, images, target, index, count)
        errors = completeness_error(values.flatten(1).sum(1), differences)
        waiting = torch.nonzero((errors.cpu() > tolerance) & (points < limit))[:, 0]
        needed = 2 ** (points * errors.cpu() / tolerance).clamp(max=limit).log2().ceil()
        points[waiting] = torch.maximum(2 * points, needed.long())[waiting].clamp(max=limit)
    return Integral(values=values, points=tuple(points.tolist()))


def _midpoints(
    network: nn.Module, start: Images, end: Images, target: Target, index: Int64[Tensor, " n"], count: int
) -> Float[Tensor, "n c *size"]:
    """Return for some images the mean gradient at the middles of `count` equal parts of the path, times its length."""
    along, total = end - start, torch.zeros_like(end[index])
    for part in in_chunks(len(index) * count, end[0]):
        rows = torch.arange(part.start, part.stop)
        place, fractions = rows // count, (rows % count + 0.5).to(end) / count
        chosen = index[place]
        points = start[chosen] + fractions.view(-1, *(1,) * (end.ndim - 1)) * along[chosen]
        message = forward_backward(network, points, target.rows(chosen)).images
        if message is not None:
            total.index_add_(0, place.to(total.device), message)
    return total * along[index] / count


def completeness_error(sums: Float[Tensor, " b"], differences: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return how far sums are from what they should be, as a fraction of it.

    It is infinite where only the sum should be 0, and NaN where a score is not finite: no such promise is kept.
    """
    gaps = (sums - differences).abs()
    return torch.where(gaps == 0, gaps, gaps / differences.abs())
