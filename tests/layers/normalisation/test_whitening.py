from __future__ import annotations

import numpy as np
import pytest
import torch

from convworks.errors import InputError
from convworks.layers.normalisation.whitening import Whitening


def test_patches_come_out_uncorrelated_with_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(3, 3, generator=generator)
    images = torch.einsum("dc,bchw->bdhw", mixing, torch.randn(300, 3, 9, 8, generator=generator).cumsum(3))
    layer = Whitening(3, 2, epsilon=1e-9)
    layer.fit(images)
    with torch.no_grad():
        maps = torch.nn.functional.conv2d(images, layer.weight)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 24).double()
    moments = (rows.T @ rows / len(rows)).numpy()
    identity = np.eye(12)
    expected = np.block([[identity, -identity], [-identity, identity]])
    np.testing.assert_allclose(moments, expected, atol=2e-3)


def test_the_first_filters_have_the_largest_variance_and_nothing_is_trained_but_the_bias() -> None:
    layer = Whitening(1, 3)
    layer.fit(torch.rand(20, 1, 12, 12, generator=torch.Generator().manual_seed(0)))
    lengths = layer.weight.flatten(1).norm(dim=1)[:9]
    assert (lengths.diff() > 0).all()  # the smaller the variance of a direction, the more it is scaled up
    assert [name for name, parameter in layer.named_parameters() if parameter.requires_grad] == ["bias"]


def test_a_direction_without_variance_stays_finite() -> None:
    layer = Whitening(3, 2)
    layer.fit(torch.ones(2, 3, 8, 8))
    assert layer.weight.isfinite().all()


def test_epsilon_keeps_a_direction_of_mere_noise_small() -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(50, 1, 1, 1, generator=generator).expand(50, 1, 12, 12)
    images = flat + 0.01 * torch.randn(
        50, 1, 12, 12, generator=generator
    )  # a variance of 1e-4 in all directions but one
    layer = Whitening(1, 2, epsilon=1e-2)
    layer.fit(images)
    lengths = layer.weight.flatten(1).norm(dim=1)[:4]
    torch.testing.assert_close(lengths[1:], torch.full((3,), (1e-4 + 1e-2) ** -0.5), rtol=0.02, atol=0)


def test_images_smaller_than_a_patch_are_refused() -> None:
    with pytest.raises(InputError, match="3x3"):
        Whitening(1, 3).fit(torch.ones(1, 1, 2, 9))
