"""What the comparisons with other libraries share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor, nn


@pytest.fixture
def randomised() -> Callable[[nn.Module], nn.Module]:
    """Give a network random weights, affine parameters and statistics, no dropout, and float64."""

    def draw(network: nn.Module) -> nn.Module:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
                assert module.running_mean is not None
                assert module.running_var is not None
                nn.init.normal_(module.running_mean, std=0.2)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=0.2)
            elif isinstance(module, nn.Dropout):
                module.p = 0.0
        return network.double()

    return draw


@pytest.fixture
def close() -> Callable[[Tensor, Tensor], bool]:
    """Say whether two results differ by the rounding of float64 only."""
    return lambda found, expected: bool((found - expected).abs().max() <= 1e-9 * expected.abs().max())
