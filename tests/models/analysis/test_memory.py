"""Memory counted without computing is the memory of the real computation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convworks.layers.network import Network
from convworks.layers.residual import Residual
from convworks.models.analysis.memory import alive, kept, memory
from convworks.models.catalogue import create, example


@pytest.mark.parametrize("name", ["lenet5", "lenet5_modern", "convnet_accurate", "resnet20", "plain20"])
def test_what_is_kept_is_that_of_a_real_batch(name: str) -> None:
    torch.manual_seed(0)
    real = kept(create(name), example(name, batch=3))
    with torch.device("meta"):
        assert kept(create(name), example(name, batch=3)) == real
        assert alive(create(name), example(name, batch=3)) == alive_on_cpu(name)


def alive_on_cpu(name: str) -> int:
    return alive(create(name), example(name, batch=3))


def test_by_hand() -> None:
    """Two layers on a batch of 5: what each keeps, and the most that is alive, counted on paper."""
    with torch.device("meta"):
        network = Network(
            stem=nn.Conv2d(1, 4, 3, padding=1),
            stages={"relu": nn.ReLU()},
            head=nn.Sequential(nn.Flatten(), nn.Linear(4 * 6 * 6, 10)),
        )
        images = torch.empty(5, 1, 6, 6)
        memory_use = memory(network, images)
    parameters = 4 * 9 + 4 + 144 * 10 + 10
    assert memory_use.weights == memory_use.gradients == memory_use.momentum == 4 * parameters
    image, maps = 4 * 5 * 36, 4 * 5 * 4 * 36
    # The convolution keeps its images, ReLU its result, which the linear layer reads as well.
    assert memory_use.kept == image + maps
    # ReLU reads one set of maps and makes another; Network.forward still holds the images.
    assert memory_use.alive == image + 2 * maps
    assert memory_use.training == 3 * memory_use.weights + memory_use.kept
    assert memory_use.inference == memory_use.weights + memory_use.alive
    assert memory_use.auxiliary == 0


def test_a_shortcut_stays_alive() -> None:
    with torch.device("meta"):
        body = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1))
        network = Network(stem=nn.Identity(), stages={"one": Residual(body, nn.Identity())}, head=nn.Identity())
        images = torch.empty(1, 2, 8, 8)
        assert alive(network, images) == 3 * 4 * 2 * 64  # the images, and two maps of the body


def test_batches_scale_and_nothing_is_changed() -> None:
    with torch.device("meta"):
        network = create("resnet20").eval()
        one, four = (memory(network, example("resnet20", batch=batch)) for batch in (1, 4))
    statistics = sum(b.numel() * 8 for name, b in network.named_buffers() if name.endswith("running_mean"))
    assert 4 * (one.kept - statistics) == four.kept - statistics
    assert 4 * one.alive == four.alive
    assert not any(module.training for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_auxiliary_classifiers_are_needed_in_training_only() -> None:
    with torch.device("meta"):
        network = create("googlenet")
        memory_use = memory(network, example("googlenet", batch=2))
    assert memory_use.auxiliary == 4 * 6_379_728
    assert memory_use.inference == memory_use.weights - memory_use.auxiliary + memory_use.alive


def test_images_of_the_real_size_only_on_the_meta_device() -> None:
    def never(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        assert output.is_meta

    with torch.device("meta"):
        network = create("resnet20")
        for module in network.modules():
            module.register_forward_hook(never)
        assert memory(network, example("resnet20", batch=100_000)).kept > 10**11
