"""The border weights of U-Net against equation 2, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from convworks.losses.borders import border_weights


def by_hand(mask: np.ndarray, border: float, sigma: float, background: int) -> np.ndarray:
    """Compute all distances to all objects."""
    points = []
    for value in np.unique(mask):
        if value not in (background, 255):
            objects, count = ndimage.label(mask == value, structure=np.ones((3, 3)))
            points += [np.argwhere(objects == number) for number in range(1, count + 1)]
    weights = np.zeros(mask.shape)
    for at in np.argwhere(mask == background):
        distances = sorted(np.sqrt(((each - at) ** 2).sum(1)).min() for each in points)
        if len(distances) > 1:
            weights[tuple(at)] = border * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    return weights


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_equation_2(seed: int) -> None:
    draw = np.random.default_rng(seed)
    mask = (ndimage.gaussian_filter(draw.normal(size=(50, 60)), 2) > 0.12).astype(np.int64)
    mask[:, 30:][mask[:, 30:] == 1] = 2 if seed % 2 else 1  # objects of two classes, some of which touch
    mask[:5, :5] = 255
    np.testing.assert_allclose(border_weights(mask), by_hand(mask, 10, 5, 0), atol=2e-5)
    np.testing.assert_allclose(
        border_weights(mask, border=3.0, sigma=1.5, background=1), by_hand(mask, 3, 1.5, 1), atol=2e-5
    )


def test_what_has_no_two_objects_has_no_weights() -> None:
    alone = np.zeros((20, 20), np.int64)
    assert not border_weights(alone).any()
    alone[5:9, 5:9] = 1
    assert not border_weights(alone).any()
    alone[0, 0] = 1
    assert border_weights(alone).max() > 1
    assert border_weights(alone)[6, 6] == 0, "an object has the weight of its class"
