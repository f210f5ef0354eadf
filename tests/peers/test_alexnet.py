"""torchvision's AlexNet and ours, number by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from convworks.models.alexnet import PEERS
from convworks.models.catalogue import create
from convworks.models.published.peers import translation

pytestmark = pytest.mark.peers
KEYS = PEERS["torchvision"].table("alexnet_torchvision")
Close = Callable[[torch.Tensor, torch.Tensor], bool]


@pytest.fixture
def pair(randomised: Callable[[nn.Module], nn.Module]) -> tuple[Any, Any]:
    """Give both networks, ours with their weights."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    theirs = randomised(models.alexnet(weights=None))
    ours = create(PEERS["torchvision"].names["alexnet"]).double()
    keys, state = translation(ours.state_dict(), KEYS), theirs.state_dict()
    assert set(keys) == set(ours.state_dict())
    assert set(keys.values()) == set(state)
    ours.load_state_dict({key: state[their] for key, their in keys.items()}, strict=True)
    return ours, theirs


@pytest.mark.parametrize("size", [224, 129, 300])
def test_the_same_logits(pair: tuple[Any, Any], close: Close, size: int) -> None:
    ours, theirs = pair
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        assert close(ours.eval()(images), theirs.eval()(images))


def test_the_same_dropout(pair: tuple[Any, Any], close: Close) -> None:
    """In training, from the same random numbers, at the same places."""
    ours, theirs = pair
    images, found = torch.randn(2, 3, 224, 224, dtype=torch.float64), []
    for network in (ours.train(), theirs.train()):
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.5
        torch.manual_seed(1)
        with torch.no_grad():
            found.append(network(images))
    assert close(*found)


def test_back_again(pair: tuple[Any, Any], randomised: Callable[[nn.Module], nn.Module], close: Close) -> None:
    ours, theirs = pair
    randomised(ours)
    keys = translation(ours.state_dict(), KEYS)
    theirs.load_state_dict({keys[key]: value for key, value in ours.state_dict().items()}, strict=True)
    images = torch.randn(1, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        assert close(ours.eval()(images), theirs.eval()(images))


def test_timm_has_no_alexnet() -> None:
    assert not pytest.importorskip("timm").list_models("*alexnet*")
