"""Batches: an image is explained as it would be alone, and the memory that a network needs does not grow with them."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from small_bundles import small_bundle
from torch import Tensor, nn

from convworks.explain.attribution import curves, integrated, occlusion, passes, verdict
from convworks.explain.attribution.attribute import attribute
from convworks.explain.attribution.methods import METHODS
from convworks.explain.attribution.passes import scores_of
from convworks.explain.attribution.target import Target
from convworks.explain.observe import observe

SIDE, COUNT = 16, 5


def classes(*numbers: int) -> Target:
    return Target(name="classes", channels=torch.tensor(numbers))


@pytest.fixture
def network() -> nn.Module:
    """Give a network that can do every method."""
    return small_bundle("resnet20", SIDE).network


@pytest.fixture
def images() -> Tensor:
    return torch.randn(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _few_points(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let integrated gradients end after 64 points of an image."""
    monkeypatch.setattr(integrated, "VALUES", 64 * images[0].numel())


@pytest.mark.parametrize("name", METHODS)
def test_batches_and_images_alone_give_the_same(name: str, network: nn.Module, images: Tensor) -> None:
    method, few = METHODS[name], images[:3]
    together = method.attribute(network, few, classes(0, 1, 2))
    alone = [method.attribute(network, few[n : n + 1], classes(n)) for n in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5 * float(together.abs().max()))


def test_no_pass_takes_more_images_than_fit_the_memory(
    network: nn.Module, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FEWEST", "MOST"):
        monkeypatch.setattr(integrated, name, 8)
    monkeypatch.setattr(occlusion, "WINDOWS", 2)
    monkeypatch.setattr(curves, "curve", partial(curves.curve, steps=2))
    monkeypatch.setattr(passes, "VALUES", 2 * images[0].numel())
    monkeypatch.setattr(verdict, "DRAWS", 2)
    counts: list[int] = []
    network.register_forward_pre_hook(lambda _, inputs: counts.append(len(inputs[0])))
    attribute(network, images, classes(*range(COUNT)), METHODS)
    assert max(counts) == 2


def test_passes_are_in_full_precision(network: nn.Module, images: Tensor) -> None:
    """On a GPU, convolutions would else be rounded to TF32, of which sums and slopes would be wrong."""
    precisions: set[str] = set()
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # set when it is imported
    before = convolutions.fp32_precision
    network.register_forward_pre_hook(lambda *_: precisions.add(convolutions.fp32_precision))
    METHODS["gradient"].attribute(network, images, classes(*range(COUNT)))
    scores_of(network, images, classes(*range(COUNT)))
    observe(network, images, torch.sum)
    assert precisions == {"ieee"}
    assert convolutions.fp32_precision == before
