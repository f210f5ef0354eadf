"""The nearest images in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64
from sklearn import config_context
from sklearn.neighbors import NearestNeighbors

#: Queries and references that are compared at a time: 32 MB of similarities.
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
    their product. The first of equals comes first; which of them is left out is not said. `without` names for each
    query a reference that does not count, such as itself, or -1; where it is given, at most n - 1 are returned.
    """
    kept = min(count, len(references) - (without is not None))
    if kept <= 0 or not len(queries):
        shape = (len(queries), max(kept, 0))
        return Neighbours(places=np.empty(shape, np.int64), similarities=np.empty(shape, np.float32))
    ignored = np.full(len(queries), -1) if without is None else without
    search = NearestNeighbors(n_neighbors=kept + (without is not None), algorithm="brute", metric="cosine")
    mebibytes = 8 * max(QUERIES * REFERENCES, len(references)) / 2**20  # of less than a row scikit-learn warns
    with config_context(working_memory=mebibytes, assume_finite=True):
        distances, places = search.fit(references).kneighbors(queries)
    order = np.lexsort((places, distances, places == ignored[:, None]), axis=1)[:, :kept]
    places, distances = np.take_along_axis(places, order, 1), np.take_along_axis(distances, order, 1)
    return Neighbours(places=places.astype(np.int64), similarities=(1 - distances).astype(np.float32))
