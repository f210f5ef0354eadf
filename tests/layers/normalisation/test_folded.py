"""layers/normalisation/folded.py: the same numbers without batch normalisation."""

from __future__ import annotations

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from convworks.layers.normalisation.folded import folded
from convworks.models.catalogue import create

N = TypeVar("N", bound=nn.Module)


def _drawn(network: N) -> N:
    """Give batch normalisation statistics, scales and shifts that all matter."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in ((module.running_var, 0.5, 2.0), (module.running_mean, -1.0, 1.0)):
                if tensor is not None:
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
            if module.affine:
                with torch.no_grad():
                    module.weight.copy_(torch.rand(module.weight.shape, generator=generator) + 0.5)
                    module.bias.copy_(torch.rand(module.bias.shape, generator=generator) - 0.5)
    return network


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet20", 32),
        ("resnet18", 64),
        ("resnet50_v1_5", 64),
        ("googlenet_torchvision", 64),
        pytest.param("vgg_a_bn", 64, marks=pytest.mark.slow),
    ],
)
def test_a_folded_network_gives_the_same_logits(name: str, size: int) -> None:
    network = _drawn(create(name)).double().eval()
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        expected, output = network(images), folded(network)(images)
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10 * expected.abs().max().item())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded(network).modules())


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_any_number_of_axes_with_and_without_biases(axes: int, bias: bool, affine: bool) -> None:
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](4, 6, 3, groups=2, bias=bias)
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[axes - 1](6, affine=affine)
    network = _drawn(nn.Sequential(convolution, norm, nn.ReLU())).double().eval()
    x = torch.randn(2, 4, *(5,) * axes, dtype=torch.float64)
    folded_network = folded(network)
    torch.testing.assert_close(folded_network(x), network(x), rtol=1e-12, atol=1e-12)
    assert isinstance(folded_network[1], nn.Identity)


def test_the_network_given_stays_as_it_was_and_shares_what_did_not_change() -> None:
    network = create("resnet20").train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded_network = folded(network)
    assert network.training
    assert not folded_network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert (
        dict(folded_network.named_parameters())["head.logits.weight"]
        is dict(network.named_parameters())["head.logits.weight"]
    )
    assert set(dict(folded_network.named_modules())) == set(dict(network.named_modules()))


def test_what_cannot_be_folded_stays() -> None:
    shared = nn.BatchNorm2d(3)

    class Doubled(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    networks = [
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)),
        nn.Sequential(nn.Conv2d(3, 3, 1), shared, nn.Conv2d(3, 3, 1), shared),
        nn.Sequential(Doubled(3, 3, 1), nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)),
    ]
    x = torch.randn(2, 3, 4, 4)
    for network in networks:
        _drawn(network).eval()
        torch.testing.assert_close(folded(network)(x), network(x), rtol=0, atol=0)


def test_a_convolution_that_stands_twice_is_not_folded() -> None:
    twice = nn.Conv2d(3, 3, 1)
    network = _drawn(nn.Sequential(twice, nn.BatchNorm2d(3), twice)).eval()
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(folded(network)(x), network(x), rtol=0, atol=0)


def test_half_precision_and_layout_are_kept() -> None:
    network = create("resnet20").channels_last().bfloat16()
    folded_network = folded(network)
    weights = [module.weight for module in folded_network.modules() if isinstance(module, nn.Conv2d)]
    assert all(weight.dtype == torch.bfloat16 for weight in weights)
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
