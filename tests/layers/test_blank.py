"""Modules without first weights."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from convworks.layers.blank import blank, unfilled
from convworks.models.analysis.meta import without_values

LAYERS = [
    lambda: nn.Conv2d(3, 4, 3),
    lambda: nn.Conv1d(2, 4, 3, groups=2),
    lambda: nn.ConvTranspose2d(3, 4, 2),
    lambda: nn.Linear(5, 7),
    lambda: nn.Embedding(5, 7),
]


@pytest.mark.parametrize("make", LAYERS, ids=["conv", "conv1d", "up", "linear", "embedding"])
def test_nothing_is_drawn_inside_and_everything_outside(make: type[nn.Module]) -> None:
    before = torch.get_rng_state()
    with blank():
        layer = make()
    assert torch.equal(torch.get_rng_state(), before)
    names = tuple(name for name, _ in layer.named_parameters())
    assert unfilled(layer) == names
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in layer.parameters())
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    assert unfilled(layer) == unfilled(make()) == ()


def test_constants_stay_and_what_is_forgotten_shows_in_the_output() -> None:
    with blank():
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    assert unfilled(network) == ("0.weight", "0.bias", "3.weight", "3.bias")
    for name in unfilled(network)[:3]:
        nn.init.zeros_(network.get_parameter(name))
    assert unfilled(network) == ("3.bias",)
    assert network.eval()(torch.zeros(1, 1, 3, 3)).isnan().all()


def test_as_a_decorator_and_with_named_arguments() -> None:
    @blank()
    def build() -> nn.Linear:
        layer = nn.Linear(2, 2)
        nn.init.uniform_(tensor=layer.weight, a=0.0, b=1.0)
        return layer

    assert unfilled(build()) == ("weight", "bias")


def test_on_the_meta_device_and_without_values() -> None:
    with torch.device("meta"), blank():
        layer = nn.Linear(2, 3)
    with without_values(), blank():
        other = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    assert layer.weight.is_meta
    assert all(value.is_meta for value in other.state_dict().values())
    assert unfilled(layer) == unfilled(other) == ()


def test_other_threads_draw() -> None:
    modules: list[nn.Module] = []
    with blank():
        thread = threading.Thread(target=lambda: modules.append(nn.Linear(2, 2)))
        thread.start()
        thread.join()
    assert unfilled(modules[0]) == ()


def test_an_error_ends_it() -> None:
    with pytest.raises(ValueError, match="divisible"), blank():
        nn.Conv2d(3, 4, 3, groups=2)
    assert unfilled(nn.Linear(2, 2)) == ()
