"""torchvision's and timm's ResNets and ours, number by number."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from convworks.models.catalogue import Shape, create, facts
from convworks.models.published.peers import translation
from convworks.models.resnet import PEERS, ResNet, build

pytestmark = pytest.mark.peers
Close = Callable[[torch.Tensor, torch.Tensor], bool]
Randomised = Callable[[nn.Module], nn.Module]


def their_network(peer: str, name: str) -> nn.Module:
    """Build a peer's network without trained weights."""
    if peer == "timm":
        made: nn.Module = importlib.import_module("timm").create_model(name, pretrained=False)
    else:
        made = getattr(importlib.import_module("torchvision.models"), name)(weights=None)
    return made


def carry(source: nn.Module, target: nn.Module, names: dict[str, str]) -> None:
    """Load one network's state into another by the names that it has there."""
    target.load_state_dict({names[key]: value for key, value in source.state_dict().items()}, strict=True)


@pytest.mark.parametrize("name", PEERS["torchvision"].names)
@pytest.mark.parametrize("peer", PEERS)
def test_the_same_logits_there_and_back(peer: str, name: str, randomised: Randomised, close: Close) -> None:
    torch.manual_seed(0)
    row = PEERS[peer].names[name]
    theirs, ours = randomised(their_network(peer, name)), randomised(create(row))
    names = translation(ours.state_dict(), PEERS[peer].table(row))
    assert set(names) == set(ours.state_dict())
    carry(theirs, ours, {there: here for here, there in names.items()})
    agree(ours, theirs, close)
    randomised(ours)
    carry(ours, theirs, names)
    agree(ours, theirs, close)


def agree(ours: nn.Module, theirs: nn.Module, close: Close) -> None:
    """Compare in evaluation mode, and in training mode with the statistics that the batch leaves behind."""
    with torch.no_grad():
        for size in ((97, 64), (224, 224)):
            images = torch.randn(1, 3, *size, dtype=torch.float64)
            assert close(ours.eval()(images), theirs.eval()(images))
        images = torch.randn(3, 3, 64, 64, dtype=torch.float64)
        assert close(ours.train()(images), theirs.train()(images))
    statistics: list[Any] = [[b for b in network.buffers() if b.ndim] for network in (ours, theirs)]
    # torchvision and timm list the shortcut behind the body, as we do.
    assert all(close(a, b) for a, b in zip(*statistics, strict=True))


def test_gradients_agree(randomised: Randomised, close: Close) -> None:
    theirs, ours = randomised(their_network("torchvision", "resnet50")), randomised(create("resnet50_v1_5"))
    names = translation(ours.state_dict(), PEERS["torchvision"].table("resnet50_v1_5"))
    carry(theirs, ours, {there: here for here, there in names.items()})
    images, labels = torch.randn(4, 3, 64, 64, dtype=torch.float64), torch.tensor([1, 2, 3, 4])
    for network in (ours, theirs):
        nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
    found = dict(theirs.named_parameters())
    for key, value in ours.named_parameters():
        expected = found[names[key]].grad
        assert value.grad is not None
        assert expected is not None
        assert close(value.grad, expected), key


@pytest.mark.parametrize(("name", "peer_s"), [("resnet50", "resnet50"), ("resnet101", "resnet101")])
def test_the_paper_s_network_has_the_same_keys_and_computes_something_else(
    name: str, peer_s: str, randomised: Randomised, close: Close
) -> None:
    """Why `--from` must choose the row: weights of torchvision load into the paper's network, and are wrong there."""
    theirs, ours = randomised(their_network("torchvision", peer_s)).eval(), create(name).double().eval()
    names = translation(ours.state_dict(), PEERS["torchvision"].table(name))
    carry(theirs, ours, {there: here for here, there in names.items()})
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert not close(ours(images), theirs(images))


def test_a_row_of_our_own_is_timm_s_resnet26(randomised: Randomised, close: Close) -> None:
    theirs = randomised(their_network("timm", "resnet26"))
    ours = randomised(build(ResNet(block="bottleneck_v1_5", repeats=(2, 2, 2, 2)), facts("resnet50").shape))
    names = translation(ours.state_dict(), PEERS["timm"].table("resnet50_v1_5"))
    carry(theirs, ours, {there: here for here, there in names.items()})
    agree(ours, theirs, close)


def test_other_classes_and_channels(randomised: Randomised, close: Close) -> None:
    theirs = importlib.import_module("timm").create_model("resnet18", num_classes=7, in_chans=1)
    ours = create("resnet18", Shape(classes=7, channels=1, size=(64, 64))).double().eval()
    names = translation(ours.state_dict(), PEERS["timm"].table("resnet18"))
    carry(randomised(theirs).eval(), ours, {there: here for here, there in names.items()})
    images = torch.randn(2, 1, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert close(ours(images), theirs(images))
