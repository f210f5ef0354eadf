"""Weights that press a network to keep objects apart: Ronneberger et al. 2015, equation 2."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32, Integer

#: What is smaller than this part of the largest weight is 0: objects farther away are not looked for.
NEGLIGIBLE = 1e-6


def border_weights(
    mask: Integer[np.ndarray, "h w"],
    *,
    border: float = 10.0,
    sigma: float = 5.0,
    background: int = 0,
    ignored: int = 255,
) -> Float32[np.ndarray, "h w"]:
    """Return border * exp(-(d1 + d2)^2 / (2 sigma^2)) for each pixel of the background, and 0 elsewhere.

    d1 and d2 are the distances, in pixels, to the nearest and to the second nearest object: a connected region of a
    class that is neither `background` nor `ignored`, corners included. The weight depends on the mask alone.
    """
    from scipy import ndimage  # importing it takes a tenth of a second

    reach = math.ceil(sigma * math.sqrt(-2 * math.log(NEGLIGIBLE)))
    nearest = np.full(mask.shape, np.inf)
    second = np.full(mask.shape, np.inf)
    for value in np.unique(mask):
        if value in (background, ignored):
            continue
        objects, _ = ndimage.label(mask == value, structure=np.ones((3, 3)))
        for number, box in enumerate(ndimage.find_objects(objects), start=1):
            # Beyond its reach an object has no influence: a distance is computed around it alone.
            near = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
            distance = ndimage.distance_transform_edt(objects[near] != number)
            second[near] = np.minimum(second[near], np.maximum(nearest[near], distance))
            nearest[near] = np.minimum(nearest[near], distance)
    weights = border * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return np.where(mask == background, weights, 0.0).astype(np.float32)
