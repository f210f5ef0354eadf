"""What is kept of the scores of an image, at its size, some rows at a time: all scores of a photograph are too many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from convworks.errors import InputError
from convworks.inference.reader import Computed
from convworks.inference.tiles import Finish

#: Scores that are interpolated at once: 16 MiB.
VALUES = 1 << 22

Scores = Float32[Tensor, "k _h _w"]


@dataclass(frozen=True, kw_only=True)
class Strips:
    """What is kept of the scores of an image with a `size` (height, width), from the top down; to be taken once.

    Taking them raises RunError where outputs are not finite.
    """

    size: tuple[int, int]
    rows: Iterator[np.ndarray]

    def whole(self) -> np.ndarray:
        """Return all rows, [h, w] or [h, w, k]."""
        return np.concatenate(list(self.rows))


def as_scores(kept: Float32[np.ndarray, "h w k"]) -> Scores:
    """Return scores that were kept (tiles.py `probabilities`)."""
    return torch.from_numpy(kept).movedim(-1, 0)


def masks_of(images: Iterable[Strips | InputError]) -> Iterator[Computed]:
    """Yield the masks of images, whose answers they are; raises the error of one that has none."""
    for each in images:
        if isinstance(each, InputError):
            raise each
        yield Computed(each.whole(), {})


def resized(
    strips: Iterable[Scores], have: tuple[int, int], want: tuple[int, int], finish: Finish
) -> Iterator[np.ndarray]:
    """Yield what is kept of scores at another size (height, width), by bilinear interpolation.

    The scores of an image of the size `have` come in strips from the top down; in memory are the rows of these that the
    next rows need, and some million values.
    """
    if have == want:
        yield from map(finish, strips)
        return
    above, below, weights = _between(have[0], want[0])
    waiting: Tensor | None = None
    first = done = 0  # the first row that waits, and the number of rows that were given
    for strip in strips:
        waiting = strip if waiting is None else torch.cat([waiting, strip], 1)
        end = first + waiting.shape[1]
        at_once = max(1, VALUES // (len(strip) * want[1]))
        if at_once >= want[0]:
            if end == have[0]:
                yield finish(F.interpolate(waiting[None], want, mode="bilinear")[0])
            continue
        ready = int(torch.searchsorted(below, end))
        for start in range(done, ready, at_once):
            rows = slice(start, min(start + at_once, ready))
            top, bottom = int(above[rows][0]), int(below[rows][-1]) + 1
            part = waiting[None, :, top - first : bottom - first]
            wide = F.interpolate(part, (bottom - top, want[1]), mode="bilinear")[0]
            yield finish(torch.lerp(wide[:, above[rows] - top], wide[:, below[rows] - top], weights[rows, None]))
        done = ready
        kept = min(end, int(above[done])) if done < want[0] else end
        waiting, first = waiting[:, kept - first :], kept


def _between(have: int, want: int) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"], Float32[Tensor, " n"]]:
    """Return for each row of `want` the rows of `have` above and below its middle, and the weight of the one below."""
    middles: Float64[Tensor, " n"] = (torch.arange(want, dtype=torch.float64) + 0.5) * have / want - 0.5
    middles = middles.clamp(0, have - 1)
    above = middles.long()
    return above, (above + 1).clamp(max=have - 1), (middles - above).float()
