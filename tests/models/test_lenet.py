"""LeNet-5 against the numbers and definitions of LeCun et al. 1998."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from convworks.layers.heads.rbf import RBF
from convworks.layers.partial import PartialConv2d
from convworks.layers.squash import ScaledTanh, Subsample
from convworks.models.catalogue import create
from convworks.models.lenet import CONNECTIONS, codes


def trainable(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_trainable_parameters_of_each_layer() -> None:
    network = create("lenet5")
    actual = [trainable(m) for m in (network.stem, *network.stages, network.head.get_submodule("f6"))]
    assert actual == [156, 12, 1_516, 32, 48_120, 10_164]
    assert trainable(network) == 60_000
    assert trainable(network.head.get_submodule("logits")) == 0


def test_connections_of_the_whole_network() -> None:
    # Weights and biases times the positions where they are used; a subsampling unit has 4 inputs and a bias.
    c1, s2 = 156 * 28 * 28, 6 * 14 * 14 * 5
    c3, s4, c5, f6 = 1_516 * 10 * 10, 16 * 5 * 5 * 5, 48_120, 10_164
    assert c1 + s2 + c3 + s4 + c5 + f6 + 840 == 340_908
    third = create("lenet5").stages.get_submodule("c3.0")
    assert isinstance(third, PartialConv2d)
    assert third.connections + 16 == 1_516


def test_c3_sees_only_the_maps_of_the_table() -> None:
    layer = create("lenet5").stages.get_submodule("c3.0")
    x = torch.randn(2, 6, 14, 14)
    before = layer(x)
    for changed in range(6):
        y = x.clone()
        y[:, changed] += torch.randn(14, 14)
        moved = (layer(y) - before).abs().amax((0, 2, 3)) > 1e-6
        assert moved.tolist() == [changed in inputs for inputs in CONNECTIONS]


def test_the_partial_convolution_is_the_sum_over_its_connections() -> None:
    layer = create("lenet5").stages.get_submodule("c3.0")
    assert isinstance(layer, PartialConv2d)
    x = torch.randn(2, 6, 14, 14)
    kernels = iter(layer.weight)
    for index, inputs in enumerate(CONNECTIONS):
        parts = [nn.functional.conv2d(x[:, c : c + 1], next(kernels)[None, None]) for c in inputs]
        expected = torch.stack(parts).sum(0)[:, 0] + layer.bias[index]
        torch.testing.assert_close(layer(x)[:, index], expected, rtol=1e-5, atol=1e-5)


def test_subsampling_by_hand() -> None:
    layer = Subsample(1)
    with torch.no_grad():
        layer.weight.fill_(0.5)
        layer.bias.fill_(1.0)
    x = torch.tensor([[1.0, 2.0, 0.0, 0.0], [3.0, 4.0, 0.0, 8.0]])[None, None]
    assert layer(x).flatten().tolist() == [6.0, 5.0]


def test_scaled_tanh_passes_through_one_and_minus_one() -> None:
    output = ScaledTanh()(torch.tensor([1.0, -1.0, 0.0]))
    torch.testing.assert_close(output, torch.tensor([1.0, -1.0, 0.0]), rtol=0, atol=1e-4)


def test_rbf_is_minus_the_squared_distance() -> None:
    centres, features = torch.randn(10, 84), torch.randn(5, 84)
    expected = -((features[:, None] - centres[None]) ** 2).sum(-1)
    torch.testing.assert_close(RBF(centres)(features), expected, rtol=1e-4, atol=1e-3)


def test_the_codes_are_plus_and_minus_one_and_differ() -> None:
    digits = codes(84, 10).numpy()
    assert digits.shape == (10, 84)
    assert set(np.unique(digits)) == {-1.0, 1.0}
    assert len({tuple(code) for code in digits}) == 10
    assert codes(84, 26).shape == (26, 84)


def test_weights_start_within_the_papers_bounds() -> None:
    network = create("lenet5")
    first, last = network.stem.get_submodule("c1"), network.head.get_submodule("f6")
    for layer, fan_in in ((first, 25), (last, 120)):
        weight = layer.get_parameter("weight")
        assert weight.abs().max() <= 2.4 / fan_in
        assert math.isclose(float(weight.detach().std()), 2.4 / fan_in / 3**0.5, rel_tol=0.2)
