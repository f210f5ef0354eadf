"""torchvision's GoogLeNet and ours, number by number, auxiliary classifiers included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from convworks.models.catalogue import create
from convworks.models.googlenet import PEERS
from convworks.models.published.peers import translation

pytestmark = pytest.mark.peers
KEYS = PEERS["torchvision"].table("googlenet_torchvision")
Close = Callable[[torch.Tensor, torch.Tensor], bool]


@pytest.fixture
def pair(randomised: Callable[[nn.Module], nn.Module]) -> tuple[Any, Any]:
    """Give both networks, ours with their weights."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    theirs = randomised(models.googlenet(weights=None, aux_logits=True, transform_input=False, init_weights=False))
    ours = randomised(create(PEERS["torchvision"].names["googlenet"]))
    keys, state = translation(ours.state_dict(), KEYS), theirs.state_dict()
    assert set(keys) == set(ours.state_dict())
    assert set(keys.values()) == set(state)
    ours.load_state_dict({key: state[their] for key, their in keys.items()}, strict=True)
    return ours, theirs


@pytest.mark.parametrize("size", [224, 129])
def test_the_same_logits(pair: tuple[Any, Any], close: Close, size: int) -> None:
    ours, theirs = pair
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        assert close(ours.eval()(images), theirs.eval()(images))
        expected = theirs.train()(images)
        logits, auxiliary = ours.train().outputs(images)
    assert close(logits, expected.logits)
    assert close(auxiliary["aux1"], expected.aux_logits1)
    assert close(auxiliary["aux2"], expected.aux_logits2)
    assert all(close(a, b) for a, b in zip(ours.stem.bn.buffers(), theirs.conv1.bn.buffers(), strict=True))


def test_back_again(pair: tuple[Any, Any], randomised: Callable[[nn.Module], nn.Module], close: Close) -> None:
    ours, theirs = pair
    randomised(ours)
    keys = translation(ours.state_dict(), KEYS)
    theirs.load_state_dict({keys[key]: value for key, value in ours.state_dict().items()}, strict=True)
    images = torch.randn(1, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        assert close(ours.eval()(images), theirs.eval()(images))


def test_timm_has_no_googlenet() -> None:
    assert not pytest.importorskip("timm").list_models("*googlenet*")
