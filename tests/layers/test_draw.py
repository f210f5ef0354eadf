"""First weights of whole networks."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from convworks.layers.blank import blank, unfilled
from convworks.layers.draw import glorot_uniform, he_normal

# Layer, what an output sums up, what an input reaches.
LAYERS = [
    (lambda: nn.Linear(300, 100), 300, 100),
    (lambda: nn.Conv1d(100, 80, 5), 500, 400),
    (lambda: nn.Conv2d(32, 64, 3, stride=2), 288, 576),
    (lambda: nn.Conv2d(64, 64, 3, groups=2), 288, 576),
    (lambda: nn.Conv3d(8, 16, 3), 216, 432),
    (lambda: nn.ConvTranspose2d(128, 64, 2, stride=2), 128, 256),
    (lambda: nn.ConvTranspose1d(64, 64, 4, stride=2, padding=1), 128, 256),
]


@pytest.mark.parametrize(("make", "fan_in", "fan_out"), LAYERS)
def test_spread(make: Callable[[], nn.Linear], fan_in: int, fan_out: int) -> None:
    torch.manual_seed(0)
    with blank():
        layer = make()
    he_normal(layer)
    assert unfilled(layer) == ()
    assert not layer.bias.any()
    assert math.isclose(float(layer.weight.detach().std()), math.sqrt(2 / fan_in), rel_tol=0.05)
    if not getattr(layer, "groups", 1) > 1:
        glorot_uniform(layer, gain=2.0)
        bound = 2 * math.sqrt(6 / (fan_in + fan_out))
        assert 0.99 * bound < float(layer.weight.detach().abs().max()) <= bound


@pytest.mark.parametrize("up", [False, True])
def test_he_keeps_the_second_moment(up: bool) -> None:
    """E[y^2] = 2 E[x^2], so that half of it is left behind ReLU; at stride 2 in up-convolutions as well."""
    torch.manual_seed(0)
    with blank():
        layer = nn.ConvTranspose2d(64, 64, 2, stride=2) if up else nn.Conv2d(64, 64, 3)
    he_normal(layer)
    x = torch.randn(8, 64, 16, 16)
    assert math.isclose(float(layer(x).detach().square().mean()), 2.0, rel_tol=0.1)
