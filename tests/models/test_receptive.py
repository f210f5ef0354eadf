"""Receptive fields: closed form, tracing and the footprint of gradients say the same."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.models import NAMES
from convworks.models.catalogue import create, facts
from convworks.models.footprint import footprint
from convworks.models.receptive import receptive_fields
from convworks.ops.receptive import Field


def maps(network: nn.Module, channels: int, size: tuple[int, ...]) -> dict[str, tuple[Field, ...]]:
    """Return the fields of the stages of a network (those of its head see everything)."""
    found = receptive_fields(network, channels, size)
    names = ["stem", *(f"stages.{name}" for name, _ in network.stages.named_children())]  # type: ignore[union-attr]
    return {name: found[name] for name in names}


@pytest.mark.parametrize("name", NAMES)
def test_closed_form_equals_the_footprint_of_gradients(name: str) -> None:
    """The receptive field of every stage, on an image in whose middle it fits."""
    network, shape = create(name), facts(name).shape
    last = list(maps(network, shape.channels, shape.size).values())[-1]
    side = max(shape.size[0], last[0].size + 4 * int(last[0].stride))
    side += -side % int(last[0].stride)
    # A strip shows the rows: the padded networks of thousands of pixels would need a terabyte otherwise.
    size = (side, 2 if side > 200 else side)
    taps = maps(network, shape.channels, size)
    for tap in list(taps)[-1:] if side > 2000 else taps:
        fields = taps[tap]
        reached = footprint(network, tap, shape.channels, size)
        for axis, field in enumerate(fields):
            if axis == 1 and size[1] < side:
                continue
            length = output_length(network, tap, shape.channels, size)[axis]
            lines = reached.any(1 - axis).nonzero().flatten().tolist()
            assert (lines[0], lines[-1]) == field.span(length // 2), (tap, axis)
            assert lines[-1] - lines[0] + 1 == field.size


def output_length(network: nn.Module, tap: str, channels: int, size: tuple[int, ...]) -> tuple[int, ...]:
    seen: list[Tensor] = []
    handle = network.get_submodule(tap).register_forward_hook(lambda _m, _i, output: seen.append(output))
    values = {name: value.to("meta") for name, value in (*network.named_parameters(), *network.named_buffers())}
    with torch.no_grad():
        torch.func.functional_call(network.eval(), values, (torch.empty(1, channels, *size, device="meta"),))
    handle.remove()
    return tuple(seen[0].shape[2:])


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
        nn.Sequential(nn.Conv2d(1, 2, 3, padding="same", dilation=3), nn.ConvTranspose2d(2, 1, 5, 3, 1, dilation=2)),
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
            reached = footprint(whole, "net", channels, size, unit=(row, column))
            for axis, unit in enumerate((row, column)):
                span = fields[axis].span(unit)
                lines = reached.any(1 - axis).nonzero().flatten().tolist()
                if span is None or not lines:
                    continue
                if span[0] >= 0 and span[1] < size[axis]:
                    assert (lines[0], lines[-1]) == span, (row, column, axis)
                    inside += 1
                else:
                    assert span[0] <= lines[0] <= lines[-1] <= span[1], (row, column, axis)
    assert inside


def test_the_footprint_is_where_the_true_gradient_is_not_zero() -> None:
    """Without max pooling and dead units, the gradient of the real network reaches the same pixels."""
    torch.manual_seed(0)
    network = create("lenet5").double().eval()
    images = torch.randn(1, 1, 40, 44, dtype=torch.float64, requires_grad=True)
    activation = network.activations(images, ["c5"])["c5"]
    (gradient,) = torch.autograd.grad(activation[0, :, 1, 2].sum(), images)
    found = footprint(network.float(), "stages.c5", 1, (40, 44), unit=(1, 2))
    assert torch.equal(gradient[0, 0].ne(0), found)


def test_tracing_leaves_the_network_alone() -> None:
    network = create("resnet20").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    receptive_fields(network, 3, (32, 32))
    footprint(network, "stem", 3, (32, 32))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.stem._forward_hooks


def test_bad_input() -> None:
    network = create("lenet5")
    with pytest.raises(InputError, match="tap: there is no module 'c9'"):
        footprint(network, "c9", 1, (32, 32))
    with pytest.raises(InputError, match=r"tap: head.f6 has no map, its output is \(1, 84\)"):
        footprint(network, "head.f6", 1, (32, 32))

    class Shuffle(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.pixel_shuffle(x, 2)

    with pytest.raises(InputError, match="receptive field: pixel_shuffle turns"):
        receptive_fields(nn.Sequential(nn.Conv2d(1, 4, 3), Shuffle()), 1, (8, 8))
