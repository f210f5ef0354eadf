"""Elastic distortion against SciPy's Gaussian and its statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from convworks.data.augment.elastic import _field, displacements
from convworks.data.augment.warp import warp
from convworks.data.config import ElasticConfig


def noise(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed))


def test_the_field_is_uniform_and_uncorrelated() -> None:
    field = _field(noise(200), 2 * 29 * 29).double().numpy()
    assert stats.kstest(field.ravel(), stats.uniform(-1, 2).cdf).pvalue > 0.01
    bound = 5 / np.sqrt(field.size)
    assert abs(np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1]) < bound
    assert abs(np.corrcoef(field[1:].ravel(), field[:-1].ravel())[0, 1]) < bound
    assert abs(np.corrcoef(field[:, 29:].ravel(), field[:, :-29].ravel())[0, 1]) < bound


@pytest.mark.parametrize("sigma", [0.7, 4.0])
def test_displacements_are_the_smoothed_field_times_alpha(sigma: float) -> None:
    config, drawn = ElasticConfig(alpha=20.0, sigma=sigma), noise(3)
    field = _field(drawn, 2 * 17 * 23).view(3, 2, 17, 23).numpy()
    radius = int(np.ceil(3 * sigma))
    results = displacements(drawn, config, (17, 23)).permute(0, 3, 1, 2).numpy()
    for result, planes in zip(results, field, strict=True):
        for plane, raw in zip(result, planes, strict=True):
            expected = 20 * ndimage.gaussian_filter(raw.astype(float), sigma, mode="constant", radius=radius)
            np.testing.assert_allclose(plane, expected, atol=1e-4)


@pytest.mark.parametrize(("alpha", "sigma"), [(34.0, 4.0), (120.0, 12.0)])
def test_the_standard_deviation_of_displacements_follows_from_alpha_and_sigma(alpha: float, sigma: float) -> None:
    """Away from the border, beyond which there is no noise."""
    inner = slice(3 * int(sigma), -3 * int(sigma))
    moved = displacements(noise(4), ElasticConfig(alpha=alpha, sigma=sigma), (300, 300))[:, inner, inner]
    assert moved.std().item() == pytest.approx(alpha / (6.1 * sigma), rel=0.05)


def test_pixels_are_read_from_where_they_are_moved() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 1, 12, 15), dtype=np.uint8))
    moved = torch.zeros(2, 12, 15, 2)
    moved[..., 0], moved[..., 1] = 2.0, -3.0
    results = warp(images, torch.eye(3).expand(2, 3, 3), moved)
    assert torch.equal(results[:, :, 3:, :13], images[:, :, :9, 2:])
    smooth = displacements(noise(2), ElasticConfig(), (12, 15))
    results = warp(images, torch.eye(3).expand(2, 3, 3), smooth)
    y, x = np.mgrid[0:12, 0:15]
    for image, where, result in zip(images, smooth.numpy(), results, strict=True):
        coordinates = [y + where[..., 1], x + where[..., 0]]
        expected = ndimage.map_coordinates(
            np.pad(image[0].numpy().astype(float), 40), [p + 40 for p in coordinates], order=1
        )
        assert np.abs(result[0].numpy() - expected).max() <= 0.51
