"""Receptive fields: closed form, tracing and the footprint of gradients say the same."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from thorough import shallow_first
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.layers.members import Members
from convworks.layers.network import Network
from convworks.models import NAMES, family
from convworks.models.analysis.footprint import footprint
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import create, facts
from convworks.ops.receptive import Field

#: What sorts images; the others have tests of their own.
#: Every unit of a perceptron sees the whole image: there is nothing to follow.
CLASSIFIERS = [
    name
    for name in NAMES
    if (facts(name).reads, facts(name).makes) == ("images", "logits") and family(name) != "perceptron"
]


NETWORKS = shallow_first(CLASSIFIERS)


def maps(network: Network, channels: int, size: tuple[int, ...]) -> dict[str, tuple[Field, ...]]:
    """Return the fields of the stages of a network (its head sees everything, and so do the members of an ensemble)."""
    fields_by_name = receptive_fields(network, channels, size)
    stages = network.stages.named_children()
    names = ["stem", *(f"stages.{name}" for name, stage in stages if not isinstance(stage, Members))]
    return {name: fields_by_name[name] for name in names}


@pytest.mark.parametrize("name", NETWORKS)
def test_closed_form_equals_the_footprint_of_gradients(name: str) -> None:
    """The receptive field of every stage, on an image in whose middle it fits."""
    network, shape = without_head(name), facts(name).shape
    # A strip of the fewest columns shows the rows: the deepest networks would need a terabyte otherwise.
    columns = 2
    try:
        taps = maps(network, shape.channels, (shape.size[0], columns))
    except InputError:  # some want all columns, without padding
        columns = shape.size[1]
        taps = maps(network, shape.channels, shape.size)
    last = list(taps.values())[-1][0]
    side = max(shape.size[0], last.size + 4 * int(last.stride))
    size = (side + -side % int(last.stride), columns)
    for tap in list(taps)[-1:] if side > 200 else taps:
        unit = tuple(middle(field, n) for field, n in zip(taps[tap], size, strict=True))
        reached = footprint(network, tap, shape.channels, size, unit=unit)
        lines = reached.any(1).nonzero().flatten().tolist()
        assert (lines[0], lines[-1]) == taps[tap][0].span(unit[0]), tap
        assert lines[-1] - lines[0] + 1 == taps[tap][0].size


def without_head(name: str) -> Network:
    """Return a network; a large one without its head and the values of its weights, which the footprint replaces."""
    if facts(name).shape.size[0] < 100:
        return create(name)
    with torch.device("meta"):
        network = create(name)
    network.head = nn.Identity()
    return network.to_empty(device="cpu")


def middle(field: Field, size: int) -> int:
    """Return the unit that sees the middle of an axis."""
    span = field.span(0)
    assert span is not None
    return round((size / 2 - sum(span) / 2) / field.stride)


@pytest.mark.parametrize(
    ("name", "tap", "size", "stride"),
    [
        ("lenet5", "stages.c5", 32, 4),
        ("resnet20", "stages.stage3", 81, 4),
        ("resnet56", "stages.stage3", 249, 4),
        ("plain20", "stages.stage3", 81, 4),
    ],
)
def test_published_values(name: str, tap: str, size: int, stride: int) -> None:
    shape = facts(name).shape
    for field in receptive_fields(create(name), shape.channels, shape.size)[tap]:
        assert field.size == size
        assert field.stride == stride


class Branches(nn.Module):
    """A 1x1 and a dilated 3x3 branch, concatenated and added to a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(2, 1, 1)
        self.wide = nn.Conv2d(2, 1, 3, dilation=2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.narrow(x), self.wide(x)], dim=1) + x


class Hourglass(nn.Module):
    """Down by two, up by two, beside a cropped shortcut: a U-Net of one step, without padding."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 2, 3)
        self.down = nn.MaxPool2d(2)
        self.deep = nn.Conv2d(2, 2, 3)
        self.up = nn.ConvTranspose2d(2, 2, 2, stride=2)
        self.leave = nn.Conv2d(4, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.enter(x)
        deep: Tensor = self.up(self.deep(self.down(skip)))
        cut = (skip.shape[-1] - deep.shape[-1]) // 2
        joined = torch.cat([skip[:, :, cut:-cut, cut:-cut], deep], dim=1)
        left: Tensor = self.leave(joined)
        return left


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(Branches(), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Branches()),
        Hourglass(),
        nn.Sequential(nn.Conv2d(1, 1, 3), nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3)),
        nn.Sequential(nn.Conv2d(1, 1, 3), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(1, 1, 3)),
        nn.Sequential(nn.Conv2d(1, 1, 3), nn.Upsample(scale_factor=3, mode="bilinear")),
        nn.Sequential(nn.Conv2d(1, 1, (2, 5), stride=(1, 3), padding=(1, 0)), nn.AvgPool2d(2, 1), nn.Tanh()),
        nn.Sequential(nn.Conv2d(1, 2, 3, padding="same", dilation=2), nn.ConvTranspose2d(2, 1, 3, 2, 1, dilation=2)),
        nn.Sequential(nn.ZeroPad2d((3, 0, 1, 2)), nn.MaxPool2d(3, 2, ceil_mode=True), nn.AdaptiveAvgPool2d(5)),
        nn.Sequential(nn.Conv2d(1, 1, 3, 2), nn.AdaptiveMaxPool2d((4, 6))),
    ],
    ids=["branches", "hourglass", "nearest", "bilinear", "bilinear-3", "uneven", "dilated-up", "ceil", "adaptive"],
)
def test_every_unit_sees_what_the_gradient_says(network: nn.Module) -> None:
    """Where the span leaves the image, the footprint is a part of it; else they are equal."""
    channels = next(iter(network.parameters()), torch.zeros(1, 1)).shape[1] if not isinstance(network, Hourglass) else 1
    size, whole = (23, 25), nn.Sequential(OrderedDict(net=network))
    if isinstance(network, Hourglass):
        size = (26, 30)
    fields = receptive_fields(whole, channels, size)["net"]
    output, inside = network(torch.zeros(1, channels, *size)), 0
    for row in range(output.shape[2]):
        for column in range(0, output.shape[3], 3):
            spans = [field.span(unit) for field, unit in zip(fields, (row, column), strict=True)]
            reached = reached_by(whole, size, channels, (row, column))
            if reached is None:  # sees the padding alone, or falls between the windows of an up-convolution
                assert any(s is None or s[0] < 0 or s[1] >= n for s, n in zip(spans, size, strict=True))
                continue
            for axis, span in enumerate(spans):
                lines = reached.any(1 - axis).nonzero().flatten().tolist()
                assert span is not None
                if span[0] >= 0 and span[1] < size[axis]:
                    assert (lines[0], lines[-1]) == span, (row, column, axis)
                    inside += 1
                else:
                    assert span[0] <= lines[0] <= lines[-1] <= span[1], (row, column, axis)
    assert inside


def reached_by(network: nn.Module, size: tuple[int, ...], channels: int, unit: tuple[int, ...]) -> Tensor | None:
    try:
        return footprint(network, "net", channels, size, unit=unit)
    except InputError:
        return None


def test_tracing_leaves_the_network_alone() -> None:
    network = create("resnet20").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    receptive_fields(network, 3, (32, 32))
    footprint(network, "stem", 3, (32, 32))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.stem._forward_hooks


def test_bad_input() -> None:
    class Shuffle(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.pixel_shuffle(x, 2)

    with pytest.raises(InputError, match="receptive field: pixel_shuffle turns"):
        receptive_fields(nn.Sequential(nn.Conv2d(1, 4, 3), Shuffle()), 1, (8, 8))


@pytest.mark.parametrize(
    ("name", "tap", "size"),
    [
        pytest.param("unet_padded", "stages", (256, 256), marks=pytest.mark.slow),
        ("autoencoder_conv", "stages", (64, 64)),
        ("prior_resnet", "stages", (96, 96)),
        ("c3d", "stages.conv3b", (32, 64, 64)),
        ("m11", "stages", (40_000,)),
    ],
)
def test_networks_that_sort_no_images(name: str, tap: str, size: tuple[int, ...]) -> None:
    """The field of a unit in the middle, along one, two and three axes."""
    network, channels = create(name), facts(name).shape.channels
    actual: list[Tensor] = []
    handle = network.get_submodule(tap).register_forward_hook(lambda _m, _i, output: actual.append(output))
    with torch.no_grad():
        network.eval()(torch.zeros(1, channels, *size))
    handle.remove()
    unit = tuple(n // 2 for n in actual[0].shape[2:])
    reached = footprint(network, tap, channels, size, unit=unit).nonzero()
    fields = receptive_fields(network, channels, size)[tap]
    for axis, (field, at) in enumerate(zip(fields, unit, strict=True)):
        assert (int(reached[:, axis].min()), int(reached[:, axis].max())) == field.span(at)
