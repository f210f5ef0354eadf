"""Stochastic depth against its rule and its expectation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.errors import InputError
from convworks.layers.stochastic_depth import Survival
from convworks.models.catalogue import create


@pytest.mark.parametrize(("name", "blocks"), [("resnet20", 9), ("resnet18", 8), ("resnet50", 16)])
def test_survival_falls_linearly_to_that_of_the_last_block(name: str, blocks: int) -> None:
    network = create(name, table={"stochastic_depth": 0.5})
    actual = [module.survival for module in network.modules() if isinstance(module, Survival)]
    assert actual == pytest.approx([1 - 0.5 * number / blocks for number in range(1, blocks + 1)])
    assert create(name).state_dict().keys() == network.state_dict().keys()
    assert not any(isinstance(module, Survival) for module in create(name).modules())


def test_samples_are_kept_or_dropped_whole_and_the_mean_is_that_of_evaluation() -> None:
    torch.manual_seed(0)
    layer, x = Survival(0.7), torch.rand(4000, 2, 3, 3) + 0.5
    output = layer.train()(x)
    kept = output.flatten(1).ne(0)
    assert torch.equal(kept.all(1), kept.any(1))
    assert float(kept.all(1).float().mean()) == pytest.approx(0.7, abs=0.03)
    assert torch.equal(output[kept.all(1)], x[kept.all(1)])
    torch.testing.assert_close(layer.eval()(x), 0.7 * x)


def test_a_network_with_it_trains() -> None:
    network = create("resnet20", table={"stochastic_depth": 0.9}).train()
    nn.functional.cross_entropy(network(torch.randn(8, 3, 32, 32)), torch.arange(8)).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_rate_that_is_none() -> None:
    with pytest.raises(InputError, match=r"model\.table\.stochastic_depth.*less than 1"):
        create("resnet20", table={"stochastic_depth": 1.5})
