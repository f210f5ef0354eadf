"""The features of many images in the plane: by principal components, and by t-SNE (van der Maaten and Hinton 2008)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

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
    """Return the first two principal components."""
    scores, variance = _components(features, 2)
    points = np.zeros((len(scores), 2))
    points[:, : scores.shape[1]] = scores
    return Embedding(points=points, trust=_trust(features, points), variance=tuple(variance.tolist()))


def tsne(features: Float[np.ndarray, "n f"], seed: int) -> Embedding:
    """Return the t-SNE of the first 50 principal components, begun at the first two, as is usual."""
    from sklearn.manifold import TSNE

    scores, _ = _components(features, COMPONENTS)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    method = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    points = method.fit_transform(scores).astype(np.float64)
    return Embedding(points=points, trust=_trust(features, points))


def _components(
    features: Float[np.ndarray, "n f"], most: int
) -> tuple[Float64[np.ndarray, "n k"], Float64[np.ndarray, " k"]]:
    """Return the principal scores, and the fraction of the variance that each explains."""
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    total = float((values**2).sum()) or 1.0
    return left[:, :most] * values[:most], values[:most] ** 2 / total


def _trust(features: Float[np.ndarray, "n f"], points: Float64[np.ndarray, "n 2"]) -> float:
    from sklearn.manifold import trustworthiness

    neighbours = min(NEIGHBOURS, (len(features) - 1) // 2)
    return float(trustworthiness(features, points, n_neighbors=max(1, neighbours)))
