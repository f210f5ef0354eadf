"""The Inception v3 of torchvision and timm and ours, number by number, auxiliary classifier included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from convworks.models.catalogue import create
from convworks.models.inception import PEERS
from convworks.models.published.peers import translation

pytestmark = pytest.mark.peers
Close = Callable[[torch.Tensor, torch.Tensor], bool]


def torchvision() -> nn.Module:
    models = pytest.importorskip("torchvision.models")
    network: nn.Module = models.inception_v3(weights=None, aux_logits=True, transform_input=False, init_weights=False)
    return network


def timm() -> nn.Module:
    network: nn.Module = pytest.importorskip("timm").create_model("inception_v3", aux_logits=True)
    return network


@pytest.fixture(params=["torchvision", "timm"])
def pair(request: pytest.FixtureRequest, randomised: Callable[[nn.Module], nn.Module]) -> tuple[Any, Any, str]:
    """Give both networks, ours with their weights, and the name of their library."""
    torch.manual_seed(0)
    library = request.param
    theirs = randomised({"torchvision": torchvision, "timm": timm}[library]())
    ours = randomised(create(PEERS[library].names["inception_v3"]))
    keys, state = translation(ours.state_dict(), PEERS[library].table("inception_v3")), theirs.state_dict()
    assert set(keys) == set(ours.state_dict())
    assert set(keys.values()) == set(state)
    ours.load_state_dict({key: state[their] for key, their in keys.items()}, strict=True)
    return ours, theirs, library


@pytest.mark.parametrize("size", [299, 342])
def test_the_same_logits(pair: tuple[Any, Any, str], close: Close, size: int) -> None:
    ours, theirs, library = pair
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs.eval()(images)
        # timm gives both in evaluation as well
        assert close(ours.eval()(images), expected[0] if library == "timm" else expected)
        expected, expected_auxiliary = theirs.train()(images)
        logits, auxiliary = ours.train().outputs(images)
    assert close(logits, expected)
    assert close(auxiliary["aux"], expected_auxiliary)


def test_back_again(pair: tuple[Any, Any, str], randomised: Callable[[nn.Module], nn.Module], close: Close) -> None:
    ours, theirs, library = pair
    randomised(ours)
    keys = translation(ours.state_dict(), PEERS[library].table("inception_v3"))
    theirs.load_state_dict({keys[key]: value for key, value in ours.state_dict().items()}, strict=True)
    images = torch.randn(1, 3, 299, 299, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs.eval()(images)
        assert close(ours.eval()(images), expected[0] if library == "timm" else expected)
