"""The VGG networks of torchvision and timm and ours, number by number."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convworks.layers.network import Network
from convworks.models.catalogue import create
from convworks.models.published.peers import translation
from convworks.models.vgg import PEERS

pytestmark = pytest.mark.peers
Close = Callable[[Tensor, Tensor], bool]
NAMES = sorted(PEERS["torchvision"].names)


def theirs_named(peer: str, name: str) -> nn.Module:
    if peer == "timm":
        made: nn.Module = importlib.import_module("timm").create_model(name)
        return made
    made = getattr(importlib.import_module("torchvision.models"), name)(weights=None, init_weights=False)
    return made


def as_ours(network: Network, state: dict[str, Tensor], keys: dict[str, str]) -> None:
    """Load the peer's tensors; timm's hidden layers are convolutions, whose kernels are the rows of our matrices."""
    own = network.state_dict()
    for ours, theirs in keys.items():
        if state[theirs].shape != own[ours].shape:
            assert ours.startswith("head.hidden")
            assert state[theirs].flatten(1).shape == own[ours].shape
    network.load_state_dict({ours: state[theirs].view_as(own[ours]) for ours, theirs in keys.items()}, strict=True)


def blank(row: str) -> Network:
    """Give our network without values: all of them are loaded."""
    with torch.device("meta"):
        network = create(row)
    return network.to_empty(device="cpu").double()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("peer", ["torchvision", "timm"])
def test_every_tensor_has_its_place(peer: str, name: str) -> None:
    row = PEERS[peer].names[name]
    with torch.device("meta"):
        ours, theirs = create(row).state_dict(), theirs_named(peer, name).state_dict()
    keys = translation(ours, PEERS[peer].table(row))
    assert list(keys) == list(ours)
    assert list(keys.values()) == list(theirs)
    assert all(theirs[keys[key]].numel() == value.numel() for key, value in ours.items())


@pytest.mark.parametrize(
    ("peer", "name"), [*(("torchvision", name) for name in NAMES), ("timm", "vgg11_bn"), ("timm", "vgg16")]
)
def test_the_same_logits_and_back(
    peer: str, name: str, randomised: Callable[[nn.Module], nn.Module], close: Close
) -> None:
    torch.manual_seed(0)
    row = PEERS[peer].names[name]
    theirs: Any = randomised(theirs_named(peer, name))
    ours = blank(row)
    state, keys = theirs.state_dict(), translation(ours.state_dict(), PEERS[peer].table(row))
    as_ours(ours, state, keys)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert close(ours.eval()(images), theirs.eval()(images))
        for module in ours.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        assert close(ours.train()(images), theirs.train()(images))
        for key, value in ours.named_buffers():
            assert torch.allclose(value.double(), theirs.get_buffer(keys[key]).double()), key
        ours.get_parameter("head.hidden6.weight").mul_(0.9)
        back = {keys[key]: value.view_as(state[keys[key]]) for key, value in ours.state_dict().items()}
        theirs.load_state_dict(back, strict=True)
        assert close(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize(("peer", "size"), [("torchvision", 224), ("timm", 224), ("torchvision", 250)])
def test_the_published_size(peer: str, size: int, randomised: Callable[[nn.Module], nn.Module], close: Close) -> None:
    torch.manual_seed(0)
    theirs: Any = randomised(theirs_named(peer, "vgg11_bn"))
    ours = blank("vgg_a_bn")
    as_ours(ours, theirs.state_dict(), translation(ours.state_dict(), PEERS[peer].table("vgg_a_bn")))
    images = torch.randn(1, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        assert close(ours.eval()(images), theirs.eval()(images))


def test_their_other_vggs_are_known_to_be_missing() -> None:
    timm, models = importlib.import_module("timm"), importlib.import_module("torchvision.models")
    assert sorted(timm.list_models("vgg*")) == NAMES
    assert sorted(name for name in models.list_models() if name.startswith("vgg")) == NAMES
