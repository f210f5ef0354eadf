"""The features of many images in the plane: by principal components, and by t-SNE (van der Maaten and Hinton 2008)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from convworks.errors import InputError

PERPLEXITY, COMPONENTS, NEIGHBOURS = 30.0, 50, 10


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Positions in the plane; `trust` is the trustworthiness: 1 if neighbours in the plane are neighbours before it.

    `variance` is the fraction that each axis explains, for principal components alone.
    """

    points: Float64[np.ndarray, "n 2"]
    trust: float
    variance: tuple[float, ...] = ()


def principal(features: Float[np.ndarray, "n f"]) -> Embedding:
    """Return the first two principal components; InputError for vectors that are all the same."""
    centred, scale = _centred(features)
    scores, variance = _components(centred, 2)
    return Embedding(points=scores * scale, trust=_trust(centred, scores), variance=tuple(variance.tolist()))


def tsne(features: Float[np.ndarray, "n f"], seed: int) -> Embedding:
    """Return the t-SNE of the first 50 principal components, begun at the first two, as is usual.

    Raises InputError for vectors that are all the same.
    """
    from sklearn.manifold import TSNE

    centred, _ = _centred(features)
    scores, _ = _components(centred, COMPONENTS)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    method = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    points = method.fit_transform(scores).astype(np.float64)
    return Embedding(points=points, trust=_trust(centred, points))


def _centred(features: Float[np.ndarray, "n f"]) -> tuple[Float64[np.ndarray, "n f"], float]:
    """Return the vectors about their mean, in units of the largest number, and that number.

    scikit-learn crashes on differences that vanish in float32. Raises InputError for vectors that are all the same.
    """
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    scale = float(np.abs(centred).max())
    if not scale > 0:
        raise InputError("--tap", "the features of all images are the same", "name another layer, or other images")
    return centred / scale, scale


def _components(
    centred: Float64[np.ndarray, "n f"], most: int
) -> tuple[Float64[np.ndarray, "n k"], Float64[np.ndarray, " v"]]:
    """Return the principal scores, padded to two, and the fraction of the variance that each explains."""
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    scores = left[:, :most] * values[:most]
    return np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1])))), values[:most] ** 2 / (values**2).sum()


def _trust(features: Float64[np.ndarray, "n f"], points: Float64[np.ndarray, "n 2"]) -> float:
    from sklearn.manifold import trustworthiness

    neighbours = min(NEIGHBOURS, (len(features) - 1) // 2)
    return float(trustworthiness(features, points, n_neighbors=max(1, neighbours)))
