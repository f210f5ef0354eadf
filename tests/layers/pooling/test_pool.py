from __future__ import annotations

import torch

from convworks.layers.pooling.pool import PoolTo


def test_pooling_to_a_size_is_adaptive_average_pooling() -> None:
    x = torch.randn(2, 3, 7, 10)
    torch.testing.assert_close(PoolTo(3)(x), torch.nn.AdaptiveAvgPool2d(3)(x))
    assert PoolTo(1)(x).shape == (2, 3, 1, 1)


def test_a_map_of_the_right_size_passes_through() -> None:
    x = torch.randn(2, 3, 3, 3)
    assert PoolTo(3)(x) is x


def test_gradients_are_those_of_adaptive_pooling() -> None:
    x = torch.randn(2, 3, 7, 4, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    PoolTo(3)(x).square().sum().backward()
    torch.nn.functional.adaptive_avg_pool2d(y, 3).square().sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-6, atol=1e-6)
