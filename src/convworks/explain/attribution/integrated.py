"""Integrated gradients (Sundararajan et al. 2017): the gradient along the path from a baseline to the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.explain.attribution.passes import forward_backward, in_chunks, scores_of
from convworks.explain.attribution.target import Target

#: The error of completeness at which refining ends, as a fraction of the difference that is distributed.
TOLERANCE = 1e-3
#: Points on the path of an image, at first and at most; and values of all its gradients at most.
FEWEST, MOST, VALUES = 32, 2048, 1 << 27
#: Equal parts of a path that are refined, and how many parts are halved at a time.
PARTS = 16

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

    The score bends on the path of a network of rectifiers, here more than there. So those parts of it are halved that
    miss most of the difference of their own scores, until the sum is right. Where `most` is None, it is 2,048, less for
    large images, whatever the number of images. `baseline` are images (default: zeros).
    """
    limit = max(FEWEST, min(MOST, VALUES // images[0].numel())) if most is None else most
    start = torch.zeros_like(images) if baseline is None else baseline
    differences = scores_of(network, images, target) - scores_of(network, start, target)
    count = min(FEWEST, limit)
    values = _midpoints(network, start, images, target, count)
    points = [count] * len(images)
    errors = completeness_error(values.flatten(1).sum(1), differences)
    for index in torch.nonzero(errors.cpu() > tolerance)[:, 0].tolist() if limit > count else []:
        row = torch.tensor([index])
        path = Path(network, start[index], images[index] - start[index], target.rows(row))
        values[index], points[index] = _refined(path, float(differences[index].abs()) * tolerance, limit)
    return Integral(values=values, points=tuple(points))


@dataclass(frozen=True)
class Path:
    """The straight path from a baseline to one image."""

    network: nn.Module
    start: Float[Tensor, "c *size"]
    along: Float[Tensor, "c *size"]
    target: Target

    def at(self, fractions: Sequence[float]) -> Images:
        """Return the images at fractions of the path."""
        steps = torch.tensor(fractions, dtype=torch.float64).to(self.start)
        return self.start + steps.view(-1, *(1,) * self.start.ndim) * self.along

    def scores(self, fractions: Sequence[float]) -> list[float]:
        """Return the scores there."""
        points = self.at(fractions)
        return list(map(float, scores_of(self.network, points, self._targets(len(points)))))

    def parts(self, ends: Sequence[tuple[float, float]], scores: Sequence[tuple[float, float]]) -> list[Part]:
        """Return parts of the path that end there, with these scores."""
        middles = [sum(pair) / 2 for pair in ends]
        made: list[Part] = []
        for chunk in in_chunks(len(ends), self.start):
            points = self.at(middles[chunk])
            passed = forward_backward(self.network, points, self._targets(len(points)))
            gradients = torch.zeros_like(points) if passed.images is None else passed.images
            slopes = (gradients * self.along).flatten(1).double().sum(1)
            for number, score, gradient, slope in zip(
                range(len(ends))[chunk], passed.scores, gradients, slopes, strict=True
            ):
                (begin, end), (before, after) = ends[number], scores[number]
                made.append(
                    Part(
                        ends=(begin, end),
                        scores=(before, after),
                        middle=float(score),
                        gradient=gradient,
                        missing=after - before - float(slope) * (end - begin),
                    )
                )
        return made

    def _targets(self, count: int) -> Target:
        return self.target.rows(torch.zeros(count, dtype=torch.long))


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a path: the fractions where it ends, the scores there, and the score and the gradient in its middle.

    `missing` is what the gradient misses of the difference of the scores.
    """

    ends: tuple[float, float]
    scores: tuple[float, float]
    middle: float
    gradient: Float[Tensor, "c *size"]
    missing: float


def _refined(path: Path, gap: float, most: int) -> tuple[Float[Tensor, "c *size"], int]:
    """Return the values of one image, which miss the difference of its scores by `gap` at most, and the points."""
    edges = [number / PARTS for number in range(PARTS + 1)]
    scores = path.scores(edges)
    parts = path.parts(list(pairwise(edges)), list(pairwise(scores)))
    points = len(parts)
    while abs(sum(part.missing for part in parts)) > gap and points < most:
        parts.sort(key=lambda part: -abs(part.missing))
        worst, parts = parts[:PARTS], parts[PARTS:]
        ends, scored = [], []
        for part in worst:
            (begin, end), (before, after) = part.ends, part.scores
            centre = (begin + end) / 2
            ends += [(begin, centre), (centre, end)]
            scored += [(before, part.middle), (part.middle, after)]
        parts += path.parts(ends, scored)
        points += len(ends)
    total = torch.zeros_like(path.along)
    for part in parts:
        total += (part.ends[1] - part.ends[0]) * part.gradient
    return total * path.along, points


def _midpoints(
    network: nn.Module, start: Images, end: Images, target: Target, count: int
) -> Float[Tensor, "n c *size"]:
    """Return for each image the mean gradient at the middles of `count` equal parts of the path, times its length."""
    along, total = end - start, torch.zeros_like(end)
    for part in in_chunks(len(end) * count, end[0]):
        rows = torch.arange(part.start, part.stop)
        place, fractions = rows // count, (rows % count + 0.5).to(end) / count
        points = start[place] + fractions.view(-1, *(1,) * (end.ndim - 1)) * along[place]
        message = forward_backward(network, points, target.rows(place)).images
        if message is not None:
            total.index_add_(0, place.to(total.device), message)
    return total * along / count


def completeness_error(sums: Float[Tensor, " b"], differences: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Return how far sums are from what they should be, as a fraction of it.

    It is infinite where only the sum should be 0, and NaN where a score is not finite: no such promise is kept.
    """
    gaps = (sums - differences).abs()
    return torch.where(gaps == 0, gaps, gaps / differences.abs())
