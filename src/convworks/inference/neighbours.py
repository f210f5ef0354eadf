"""The nearest images in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64
from sklearn import config_context
from sklearn.neighbors import NearestNeighbors

#: Queries and references compared at a time: 32 MB of similarities.
QUERIES, REFERENCES = 512, 8192


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest references of each of m images, the most similar first: their indices and similarities."""

    indices: Int64[np.ndarray, "m k"]
    similarities: Float32[np.ndarray, "m k"]


def unit(vectors: Float32[np.ndarray, "n f"]) -> Float32[np.ndarray, "n f"]:
    """Normalise vectors to length 1; zero vectors stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def find_neighbours(
    queries: Float32[np.ndarray, "m f"],
    references: Float32[np.ndarray, "n f"],
    count: int,
    *,
    without: Int64[np.ndarray, " m"] | None = None,
) -> Neighbours:
    """Return the `count` references with the highest cosine similarity to each query; all if there are fewer.

    The search is exact: every query is compared with every reference, in pieces, so that memory does not grow with
    their product. Equal references are sorted by index; which of them is cut off is undefined. `without` holds for each
    query the index of a reference to ignore, such as itself, or -1; with it, at most n - 1 are returned.
    """
    returned = min(count, len(references) - (without is not None))
    if returned <= 0 or not len(queries):
        shape = (len(queries), max(returned, 0))
        return Neighbours(indices=np.empty(shape, np.int64), similarities=np.empty(shape, np.float32))
    ignored = np.full(len(queries), -1) if without is None else without
    search = NearestNeighbors(n_neighbors=returned + (without is not None), algorithm="brute", metric="cosine")
    mebibytes = 8 * max(QUERIES * REFERENCES, len(references)) / 2**20  # scikit-learn warns if a row does not fit
    with config_context(working_memory=mebibytes, assume_finite=True):
        distances, indices = search.fit(references).kneighbors(queries)
    order = np.lexsort((indices, distances, indices == ignored[:, None]), axis=1)[:, :returned]
    indices, distances = np.take_along_axis(indices, order, 1), np.take_along_axis(distances, order, 1)
    return Neighbours(indices=indices.astype(np.int64), similarities=(1 - distances).astype(np.float32))
