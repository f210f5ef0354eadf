"""The nearest images in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

#: Queries and references that are compared at a time: 16 MB of similarities.
QUERIES, REFERENCES = 512, 8192


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """For each of m images its nearest ones among the references, the most similar first, and how similar they are."""

    places: Int64[np.ndarray, "m k"]
    similarities: Float32[np.ndarray, "m k"]


def unit(vectors: Float32[np.ndarray, "n f"]) -> Float32[np.ndarray, "n f"]:
    """Return vectors of length 1; one of length 0 stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def find_neighbours(
    queries: Float32[np.ndarray, "m f"],
    references: Float32[np.ndarray, "n f"],
    count: int,
    *,
    without: Int64[np.ndarray, " m"] | None = None,
) -> Neighbours:
    """Return the `count` references of the highest cosine similarity to each query; all of them where there are fewer.

    The search is exact: every query is compared with every reference, some at a time, so that memory does not grow with
    their product. Which of equals is left out is not said. `without` names for each query a reference that does not
    count, such as itself, or -1; where it is given, at most n - 1 are returned.
    """
    asked, known = unit(queries), unit(references)
    kept = min(count, len(known) - (without is not None))
    places = np.empty((len(asked), max(kept, 0)), np.int64)
    similarities = np.empty(places.shape, np.float32)
    for first in range(0, len(asked) if kept > 0 else 0, QUERIES):
        part = slice(first, min(first + QUERIES, len(asked)))
        left_out = None if without is None else without[part]
        places[part], similarities[part] = _nearest(asked[part], known, kept, left_out)
    return Neighbours(places=places, similarities=similarities)


def _nearest(
    asked: np.ndarray, known: np.ndarray, count: int, without: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Go through the references in blocks, and keep the best of those so far and of the block."""
    best = np.empty((len(asked), 0), np.int64)
    values = np.empty((len(asked), 0), np.float32)
    for first in range(0, len(known), REFERENCES):
        block = known[first : first + REFERENCES]
        found = asked @ block.T
        if without is not None:
            inside = np.flatnonzero((without >= first) & (without < first + len(block)))
            found[inside, without[inside] - first] = -np.inf
        numbers = np.broadcast_to(np.arange(first, first + len(block)), found.shape)
        if found.shape[1] > count:
            chosen = np.argpartition(-found, count - 1, axis=1)[:, :count]
            numbers, found = np.take_along_axis(numbers, chosen, 1), np.take_along_axis(found, chosen, 1)
        best, values = np.concatenate([best, numbers], 1), np.concatenate([values, found], 1)
        order = np.lexsort((best, -values), axis=1)[:, :count]
        best, values = np.take_along_axis(best, order, 1), np.take_along_axis(values, order, 1)
    return best, values
