"""Tied weights: W' = W^T, one parameter for both."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from convworks.layers.transposed import Transposed


def pair() -> tuple[nn.Sequential, nn.Linear, Transposed]:
    layer = nn.Linear(5, 3)
    back = Transposed(layer)
    return nn.Sequential(layer, nn.Sigmoid(), back), layer, back


def test_it_is_the_transposed_layer() -> None:
    network, layer, back = pair()
    network.double()
    x = torch.randn(4, 5, dtype=torch.float64)
    with torch.no_grad():
        back.bias.normal_()
    expected = torch.sigmoid(x @ layer.weight.T + layer.bias) @ layer.weight + back.bias
    torch.testing.assert_close(network(x), expected, rtol=0, atol=1e-12)
    weights = (layer.weight,)
    assert torch.autograd.gradcheck(lambda w: torch.func.functional_call(network, {"0.weight": w}, (x,)), weights)


def test_the_weight_is_counted_and_saved_once(tmp_path: Path) -> None:
    network, *_ = pair()
    assert [name for name, _ in network.named_parameters()] == ["0.weight", "0.bias", "2.bias"]
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    other, *_ = pair()
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    x = torch.randn(2, 5)
    assert torch.equal(other(x), network(x))


def test_a_copy_is_tied_to_the_copied_layer() -> None:
    network, layer, _ = pair()
    twin, x = copy.deepcopy(network), torch.randn(2, 5)
    with torch.no_grad():
        layer.weight.zero_()
    assert isinstance(twin[2], Transposed)
    assert twin[2].layer is twin[0]
    assert twin(x).abs().sum() > 0
