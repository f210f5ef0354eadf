"""Images of any size, tile by tile, in constant memory: overlap-tile (U-Net, section 3.1) and blended tiles.

    tiling = tiling_of(network, input.channels, input.size)
    compute = scores(runtime, task.activation)
    with runtime.ready(), open_rows(path, input.channels) as image, writing_mask(out, *image.shape[:2]) as mask:
        for rows in strips(compute, image, tiling):
            mask.write(rows)

An image is anything with a shape [h, w] or [h, w, c] that gives some of its rows: an array, a memory map, `open_rows`
(data/decode/rows.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor, nn
from torch.func import functional_call

from convworks.errors import InputError
from convworks.inference.limits import PIXELS
from convworks.inference.runtime import Runtime, finite
from convworks.layers.mode import evaluating
from convworks.layers.sides import Sides
from convworks.models.analysis.receptive import receptive_fields
from convworks.tasks.activations import Activation

#: From images [b, c, h, w], as they are stored, to scores [b, k, h, w] on the CPU; without padding, of their centre.
Compute = Callable[[Tensor], Tensor]
#: From the scores of a piece of the image to what is kept of them, [h, w] or [h, w, ...].
Finish = Callable[[Tensor], np.ndarray]

TILE = 512
#: Where tiles begin, if the strides of a network are not known.
STEP = 32


@runtime_checkable
class Image(Protocol):
    """What gives some rows of an image."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[h, w] or [h, w, c]."""

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Return rows, none of which lies above the first of the last call."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far around its pixel a score looks: `margin` pixels, None for the whole image or an unknown distance.

    Without padding, `lost` pixels at each border of the input have no score. Tiles begin at multiples of `step`, the
    coarsest stride, so that they are divided into the same windows as the whole image.
    """

    margin: int | None
    lost: int
    step: int


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How an image is divided: tiles of `side` pixels; to compute one, `before` and `after` pixels around it are read.

    A tile of a network without padding reads beyond the image what is mirrored there, and `lost` pixels at each border
    of what it reads have no score. Other networks read less at the border of the image, as they do of the whole image.
    If tiles are `blended`, what is around them counts too: from one tile to the next the weights change linearly.
    Otherwise each pixel has the score that it has in the whole image.
    """

    side: int
    before: int
    after: int
    lost: int = 0
    blended: bool = False


def tiling_of(
    network: nn.Module, channels: int, size: Sequence[int], *, tile: int | None = None, margin: int | None = None
) -> Tiling:
    """Return how a network reads images of any size in tiles of `tile` x `tile` pixels, by default about 512.

    `size` is one that the network takes. `margin` pixels on each side of a tile overlap others: by default as many as a
    score looks at, so that tiles give what the whole image gives; if that is more than a quarter of the tile, an eighth
    of it, and tiles are blended. Raises InputError for a tile that the network does not take, or that its margins fill.
    """
    if margin is not None and margin < 0:
        raise InputError("margin", f"is {margin}", "give 0 or more")
    known = reach(network, channels, size)
    if known.lost:
        return _overlap_tile(network, known, tile)
    tile = tile or TILE
    if margin is None:
        exact = known.margin is not None and 4 * _up(known.margin, known.step) <= tile
        margin = known.margin if exact else tile // 8
    assert margin is not None
    around = _up(margin, known.step)
    blended = known.margin is None or around < known.margin
    side = (tile - 2 * around) // known.step * known.step
    if side < max(known.step, 2 * around if blended else 0):
        least = max(2 * around + known.step, 4 * around if blended else 0)
        reason = f"of {tile} pixels is too small for a margin of {around} on each side"
        raise InputError("tile", reason, f"give at least {least}")
    return Tiling(side=side, before=around, after=around, blended=blended)


def _overlap_tile(network: nn.Module, known: Reach, tile: int | None) -> Tiling:
    """Return the tiles of a network without padding: what it scores of one, in whole steps."""
    smallest, sides = known.step + 2 * known.lost, [each for each in network.modules() if isinstance(each, Sides)]
    if tile is None:
        tile = max(smallest, TILE)
        tile = sides[0].next(tile) if sides else tile
    for each in sides:
        each.check((tile, tile))
    if tile < smallest:
        reason = f"of {tile} pixels is too small: {2 * known.lost} of them have no score"
        raise InputError("tile", reason, f"give at least {sides[0].next(smallest) if sides else smallest}")
    side = (tile - 2 * known.lost) // known.step * known.step
    return Tiling(side=side, before=known.lost, after=tile - side - known.lost, lost=known.lost)


def tiling_of_one_size(size: Sequence[int], scored: Sequence[int]) -> Tiling:
    """Return how a network that reads tiles of one `size` alone, and scores their centre, reads images of any size.

    Its strides are taken to be powers of two. Raises InputError for a network that scores all that it reads, whose
    tiles are smaller at the border of an image, and for one whose tiles are not squares.
    """
    lost = (size[0] - scored[0]) // 2
    if not lost or len(set(size)) > 1:
        reason = "was exported, and takes images of no other size than its input"
        raise InputError("the network", reason, "use the bundle, or scale the images")
    step = min(STEP, 1 << (scored[0].bit_length() - 1))
    side = scored[0] // step * step
    return Tiling(side=side, before=lost, after=size[0] - side - lost, lost=lost)


def reach(network: nn.Module, channels: int, size: Sequence[int]) -> Reach:
    """Return how far a network that scores every pixel looks; `size` is one that it takes.

    Raises InputError if its output is no map of the pixels.
    """
    images = torch.empty(1, channels, *size, device="meta")
    values = {name: each.to("meta") for name, each in (*network.named_parameters(), *network.named_buffers())}
    with evaluating(network), torch.no_grad():
        made = tuple(functional_call(network, values, (images,)).shape[2:])
    losses = {side - kept for side, kept in zip(size, made, strict=False)}
    if len(made) != len(size) or len(losses) > 1 or min(losses) < 0 or min(losses) % 2:
        reason = f"makes {'x'.join(map(str, made)) or 'vectors'} of {'x'.join(map(str, size))} pixels, no map of them"
        raise InputError("network", reason, "give one that scores pixels")
    lost = losses.pop() // 2
    try:
        fields = receptive_fields(network, channels, size)
    except InputError:  # of a function whose field is not known
        return Reach(margin=None, lost=lost, step=STEP)
    step = math.lcm(*(field.stride.numerator for axes in fields.values() for field in axes if field.step))
    distances = []
    for field, side, kept in zip(fields["head"], size, made, strict=True):
        if not field.step:
            return Reach(margin=None, lost=lost, step=step)
        spans = [(unit, field.span(unit)) for unit in range(kept)]
        if all(span is not None and span[0] >= 0 and span[1] < side for _, span in spans):
            distances.append(lost)  # a tile is computed as the whole image is: nothing is padded
            continue
        for unit, span in spans:
            if span is not None:
                distances += [unit + lost - span[0], span[1] - unit - lost]
    return Reach(margin=max(0, *distances), lost=lost, step=step)


def _up(margin: int, step: int) -> int:
    """Return the smallest multiple of a step that is no less."""
    return -(-margin // step) * step


def scores(runtime: Runtime, activation: Activation) -> Compute:
    """Return the function that computes activated outputs on the CPU; call it within `runtime.ready()`."""
    return lambda images: activation.apply(finite(runtime(images.to(runtime.device)))).cpu()


def classes(values: Float32[Tensor, "k h w"]) -> UInt8[np.ndarray, "h w"]:
    """Return the number of the class with the highest score at each pixel; among equals the first."""
    numbers: np.ndarray = values.numpy().argmax(0).astype(np.uint8)
    return numbers


def probabilities(values: Float32[Tensor, "k h w"]) -> Float32[np.ndarray, "h w k"]:
    """Return the scores themselves."""
    kept: np.ndarray = values.movedim(0, -1).numpy()
    return kept


def strips(
    compute: Compute, image: Image, tiling: Tiling, finish: Finish = classes, *, pixels: int = PIXELS["cpu"]
) -> Iterator[np.ndarray]:
    """Yield what `finish` keeps of the scores of an image, in strips [rows, w] or [rows, w, ...] from the top down.

    Tiles are computed together up to so many `pixels`. In memory are the rows of one strip with what is around it, the
    activations of one batch of tiles and, if tiles are blended, the scores of one strip.
    """
    height, width = image.shape[:2]
    columns = list(range(0, width, tiling.side))
    waiting: Tensor | None = None  # the scores of the last strip that the next one adds to
    for top in range(0, height, tiling.side):
        band = _band(image, top, columns, tiling)
        tiles = _computed(compute, band, columns, width, tiling, pixels)
        if not tiling.blended:
            rows = _inside(top, height, tiling)
            yield np.concatenate([finish(tile[:, rows, _inside(left, width, tiling)]) for left, tile in tiles], 1)
            continue
        total = _added(tiles, band.shape[0], width, tiling).mul_(_weights(top, height, tiling)[:, None])
        if waiting is not None:
            total[:, : waiting.shape[1]] += waiting
        following = top + tiling.side
        done = _read(following, height, tiling)[0] - _read(top, height, tiling)[0] if following < height else None
        yield finish(total[:, :done])
        waiting = None if done is None else total[:, done:].clone()


def _read(start: int, length: int, tiling: Tiling) -> tuple[int, int]:
    """Return the first and last pixel (excluded) along an axis that are read for a tile, some of which are mirrored."""
    first, end = start - tiling.before, start + tiling.side + tiling.after
    return (first, end) if tiling.lost else (max(0, first), min(length, end))


def _rows(top: int, height: int, tiling: Tiling) -> Int64[np.ndarray, "n"]:
    """Return which rows are read for a strip, in order: beyond the image those that are mirrored there.

    Some scores look a step farther beyond it than others, and so a step farther back than the strip itself is read;
    what no score looks at is not taken from above what the strip before this one begins with.
    """
    first, end = _read(top, height, tiling)
    around = np.arange(first, end) % max(1, 2 * height - 2)
    return np.maximum(np.minimum(around, 2 * height - 2 - around), first - tiling.side)


def _band(image: Image, top: int, columns: Sequence[int], tiling: Tiling) -> np.ndarray:
    """Return what is read for the tiles of a strip, [h, w, c], from the first column of the first of them on."""
    height, width = image.shape[:2]
    chosen = _rows(top, height, tiling)
    first = int(chosen.min())
    rows: np.ndarray = image[first : int(chosen.max()) + 1][chosen - first]
    rows = rows[:, :, None] if rows.ndim == 2 else rows
    beyond = (-_read(columns[0], width, tiling)[0], _read(columns[-1], width, tiling)[1] - width)
    return np.pad(rows, ((0, 0), beyond, (0, 0)), "reflect") if any(beyond) else rows


def _computed(
    compute: Compute, band: np.ndarray, columns: Sequence[int], width: int, tiling: Tiling, pixels: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield the scores of each tile of a strip, with its first column."""
    spans = [(left, *_read(left, width, tiling)) for left in columns]
    origin = spans[0][1]
    for size, group in groupby(spans, key=lambda span: span[2] - span[1]):
        alike, count = list(group), max(1, pixels // (size * len(band)))
        for start in range(0, len(alike), count):
            part = alike[start : start + count]
            images = np.stack([band[:, first - origin : end - origin] for _, first, end in part])
            computed = compute(torch.from_numpy(images).permute(0, 3, 1, 2))
            yield from zip((left for left, _, _ in part), computed, strict=True)


def _inside(start: int, length: int, tiling: Tiling) -> slice:
    """Return where, along an axis, the tile itself lies in what was computed for it."""
    first = 0 if tiling.lost else start - _read(start, length, tiling)[0]
    return slice(first, first + min(tiling.side, length - start))


def _weights(start: int, length: int, tiling: Tiling) -> Float[Tensor, "n"]:
    """Return the weights along an axis of what is read for a tile: with those of its neighbours they add up to 1."""
    first, end = _read(start, length, tiling)
    middles = torch.arange(first, end) + 0.5
    weights = torch.ones(end - first)
    if start > 0:
        weights = torch.minimum(weights, (middles - (start - tiling.before)) / (2 * tiling.before))
    if (stop := start + tiling.side) < length:
        weights = torch.minimum(weights, (stop + tiling.after - middles) / (2 * tiling.after))
    return weights


def _added(tiles: Iterator[tuple[int, Tensor]], rows: int, width: int, tiling: Tiling) -> Float32[Tensor, "k rows w"]:
    """Return the weighted scores of the tiles of a strip, added up."""
    total: Tensor | None = None
    for left, tile in tiles:
        first, end = _read(left, width, tiling)
        total = tile.new_zeros(len(tile), rows, width) if total is None else total
        total[:, :, first:end] += tile * _weights(left, width, tiling)
    assert total is not None
    return total
