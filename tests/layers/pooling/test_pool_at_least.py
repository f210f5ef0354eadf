from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.layers.pooling.pool import PoolTo
from convworks.layers.pooling.pool_at_least import PoolAtLeast


def test_large_maps_are_pooled_by_windows() -> None:
    x = torch.randn(2, 3, 14, 18)
    y = PoolAtLeast(4, kernel_size=5, stride=3)(x)
    assert y.shape == (2, 3, 4, 5)
    assert torch.equal(y, nn.AvgPool2d(5, 3)(x))


@pytest.mark.parametrize("size", [(13, 14), (4, 4), (1, 2), (3, 20)])
def test_small_maps_are_averaged_to_the_side(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    y = PoolAtLeast(4, kernel_size=5, stride=3)(x)
    assert torch.equal(y, PoolTo(4)(x))
    torch.testing.assert_close(y, nn.AdaptiveAvgPool2d(4)(x))
