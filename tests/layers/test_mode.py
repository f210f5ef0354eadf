"""Evaluation mode for a while."""

from __future__ import annotations

import pytest
from torch import nn

from convworks.layers.mode import evaluating


def test_every_module_gets_its_own_mode_back() -> None:
    frozen = nn.BatchNorm1d(1)
    network = nn.Sequential(nn.Linear(1, 1), nn.Sequential(frozen, nn.Dropout())).train()
    frozen.eval()
    before = [module.training for module in network.modules()]
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == before
    with pytest.raises(ZeroDivisionError), evaluating(network):
        raise ZeroDivisionError
    assert [module.training for module in network.modules()] == before
