"""The effective receptive field lies in the theoretical one, in every network of the catalogue that reads images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.errors import InputError, RunError
from convworks.explain.features.field import receptive_field
from convworks.explain.features.layer import Layer, last_stage, layer_at, outputs_at, require_map
from convworks.layers.network import Network
from convworks.models import NAMES
from convworks.models.catalogue import Shape, create, facts

SLOW = 3e6  # parameters


def test_the_field_of_one_convolution_is_its_kernel() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1))
    layer = Layer(name="0", module=network[0])
    field = receptive_field(network, layer, torch.randn(2, 1, 9, 8), (0, 3))
    assert field.spans == ((-1, 1), (5, 7))
    expected = network[0].weight.detach().square().sum((0, 1)).sqrt()[1:]  # type: ignore[operator]
    assert field.gradient[2:].sum() + field.gradient[:, :5].sum() == 0
    assert torch.all(field.gradient[:2, 5:8] > 0.2 * expected)  # up to the signs that were drawn


def test_no_pixel_counts_for_a_silent_unit() -> None:
    """Not the whole image, as a threshold of 0 would have it."""
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    nn.init.constant_(network[0].bias, -100.0)  # type: ignore[arg-type]
    field = receptive_field(network, Layer(name="1", module=network[1]), torch.rand(1, 1, 8, 8), (2, 3))
    assert field.spans == ((2, 4), (3, 5))
    assert field.counting == ()
    assert field.side == 0


def test_a_gradient_that_overflows_is_refused() -> None:
    """Of an image that is black the output is 0, whatever the weights."""
    network = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.Conv2d(1, 1, 3, bias=False))
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1e25)
    with pytest.raises(RunError, match=r"1: its gradient is NaN or infinite"):
        receptive_field(network, Layer(name="1", module=network[1]), torch.zeros(1, 1, 8, 8))


def test_of_a_layer_that_is_called_twice_the_call_is_named() -> None:
    """Its first field is known."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.convolution(self.convolution(x))  # type: ignore[no-any-return]

    network, images = Twice(), torch.rand(1, 1, 9, 9)
    first, second = (layer_at(network, f"convolution[{call}]") for call in (1, 2))
    field = receptive_field(network, first, images)
    assert field.spans == ((3, 5), (3, 5))
    assert field.counting == field.spans
    assert torch.equal(outputs_at(network, first, images), network.convolution(images))
    assert torch.equal(outputs_at(network, second, images), network(images))
    with pytest.raises(InputError, match=r"tap: the receptive field of convolution\[2\] is not known"):
        receptive_field(network, second, images)
    with pytest.raises(InputError, match=r"tap: convolution is called 2 times; name one call, for example convolution"):
        receptive_field(network, layer_at(network, "convolution"), images)
    with pytest.raises(InputError, match=r"tap: there is no convolution\[3\]: convolution is called 2 times"):
        outputs_at(network, layer_at(network, "convolution[3]"), images)


def test_a_unit_between_the_steps_of_an_up_convolution_sees_nothing() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(1, 2, 1, stride=2))
    layer = Layer(name="0", module=network[0])
    images = torch.rand(1, 1, 4, 4)
    assert receptive_field(network, layer, images, (2, 3)).spans == ((1, 1), (0, -1))
    assert receptive_field(network, layer, images, (2, 4)).counting == ((1, 1), (2, 2))


def test_units_outside_and_layers_without_a_map() -> None:
    network = create("lenet5").eval()
    images = torch.randn(1, 1, 32, 32)
    with pytest.raises(InputError, match=r"--unit: 14,0 is not on the map of stage\w*, which has size|--unit: 99,0"):
        receptive_field(network, layer_at(network, last_stage(network)), images, (99, 0))
    with pytest.raises(InputError, match=r"--tap: head.f6 outputs 84 values, not a map"):
        receptive_field(network, layer_at(network, "head.f6"), images)


def middle(network: Network) -> list[str]:
    """Return two taps: one early, and the last stage."""
    stages = [name for name, _ in network.stages.named_children()]
    return list(dict.fromkeys(["stem", *stages[:1], *stages[-1:]]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if facts(name).reads == "images"])
def test_the_effective_field_is_inside_the_theoretical(name: str) -> None:
    inside(name)


@pytest.mark.parametrize("name", ["resnet20", "convnet_digits"])
def test_the_effective_field_is_inside_the_theoretical_in_some(name: str) -> None:
    inside(name)


def settle(network: Network, images: torch.Tensor) -> None:
    """Let batch normalisation see images once: 600 residual blocks overflow otherwise."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            module.train()
    with torch.no_grad():
        network(images)
    network.eval()


def inside(name: str) -> None:
    torch.manual_seed(0)
    shape = facts(name).shape
    side = tuple(min(n, 96) for n in shape.size)
    try:
        network = create(name, Shape(classes=shape.classes, channels=shape.channels, size=side)).eval()
    except InputError:  # images must be larger
        side, network = shape.size, create(name).eval()
    images = torch.randn(1, shape.channels, *side)
    if name != "plain1202":  # where shortcuts are missing, the gradient overflows then
        settle(network, torch.randn(2, shape.channels, *side))
    checked = 0
    for tap in middle(network):
        layer = layer_at(network, tap)
        try:
            with torch.no_grad():
                require_map(layer, network.activations(images, [tap])[tap])
        except InputError:
            continue
        field = receptive_field(network, layer, images)
        outside = field.gradient.clone()
        (top, bottom), (left, right) = field.spans
        outside[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = 0
        assert not outside.any(), tap
        assert field.gradient.any(), tap
        assert all(
            span[0] <= own[0] and own[1] <= span[1] for own, span in zip(field.counting, field.spans, strict=True)
        )
        checked += 1
    assert checked or network.stem(images).ndim == 2
