"""Hourglasses: what is kept, what is cropped, in one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convworks.layers.hourglass import Hourglass, Scale, crop
from convworks.layers.network import Network
from convworks.models.analysis.footprint import footprint
from convworks.models.analysis.receptive import receptive_fields


def pooling(across: Callable[[], nn.Module] | None, depth: int) -> Hourglass:
    """Return an hourglass without weights."""
    return Hourglass(
        [
            Scale(
                across=across() if across else None,
                down=nn.MaxPool2d(2, ceil_mode=True),
                rise=nn.Upsample(scale_factor=2),
                up=nn.Identity(),
            )
            for _ in range(depth)
        ]
    )


def test_kept_maps_come_first_and_risen_ones_behind_them() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    actual = pooling(nn.Identity, 2)(x)
    assert actual.shape == (1, 3, 4, 4)
    assert torch.equal(actual[:, :1], x)
    assert actual[0, 1, 0].tolist() == [5, 5, 7, 7]
    assert actual[0, 2].unique().tolist() == [15]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5), (8, 8), (9, 16), (33, 31)])
def test_rounding_up_keeps_every_size_and_place(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    actual = pooling(None, 3)(x)
    assert actual.shape == x.shape
    for row in range(size[0]):
        for column in range(size[1]):
            window = x[:, :, row // 8 * 8 : row // 8 * 8 + 8, column // 8 * 8 : column // 8 * 8 + 8]
            assert torch.equal(actual[:, :, row, column], window.amax((2, 3)))


def test_without_padding_the_middle_of_what_was_kept_is_cut_out() -> None:
    glass = Hourglass([Scale(nn.Identity(), nn.AvgPool2d(3, 2), nn.Upsample(scale_factor=2), nn.Identity())])
    x = torch.randn(1, 1, 12, 14)
    actual = glass(x)
    assert actual.shape == (1, 2, 10, 12)
    assert torch.equal(actual[:, :1], x[:, :, 1:11, 1:13])


def test_crop() -> None:
    x = torch.arange(7.0).view(1, 1, 7)
    assert crop(x, (4,)).flatten().tolist() == [1, 2, 3, 4]
    assert crop(x, (7,)) is x


@pytest.mark.parametrize(
    ("conv", "up", "pool", "size"),
    [
        (nn.Conv1d, nn.ConvTranspose1d, nn.MaxPool1d, (13,)),
        (nn.Conv3d, nn.ConvTranspose3d, nn.MaxPool3d, (5, 8, 7)),
    ],
)
def test_signals_and_volumes(
    conv: Callable[..., nn.Module], up: Callable[..., nn.Module], pool: Callable[..., nn.Module], size: tuple[int, ...]
) -> None:
    down = nn.Sequential(pool(2, ceil_mode=True), conv(2, 4, 3, padding=1))
    glass = Hourglass([Scale(conv(2, 1, 1), down, up(4, 2, 2, stride=2), conv(3, 5, 1))])
    x = torch.randn(2, 2, *size, requires_grad=True)
    actual = glass(x)
    assert actual.shape == (2, 5, *size)
    actual.sum().backward()
    assert all(parameter.grad is not None for parameter in glass.parameters())


def test_every_part_is_a_tap() -> None:
    network = Network(stem=nn.Identity(), stages={"hourglass": pooling(None, 2)}, head=nn.Sequential())
    parts = ("down1", "down2", "rise2", "up2", "rise1", "up1")
    assert network.taps == ("stem", *(f"hourglass.{part}" for part in parts), "hourglass", "head")
    x = torch.randn(1, 1, 6, 6)
    activations = network.activations(x, ["hourglass.down2", "hourglass"])
    assert activations["hourglass.down2"].shape == (1, 1, 2, 2)
    assert torch.equal(activations["hourglass"], network(x))


class Deep(nn.Module):
    """Two scales with real layers, one kept and one not, for images of odd sizes."""

    def __init__(self) -> None:
        super().__init__()
        inner = Scale(None, nn.Conv2d(2, 2, 5, 2, 2, padding_mode="reflect"), nn.Upsample(scale_factor=2), nn.ReLU())
        outer = Scale(
            nn.Conv2d(1, 2, 3, padding=1),
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, ceil_mode=True)),
            nn.ConvTranspose2d(2, 2, 4, 2, 1),
            nn.Conv2d(4, 1, 3),
        )
        self.glass = Hourglass([outer, inner])

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.glass(x)
        return found


def test_the_receptive_field_is_what_gradients_reach() -> None:
    network, size = Deep(), (29, 32)
    fields, output = receptive_fields(network, 1, size)["glass"], network(torch.zeros(1, 1, *size))
    for unit in [(11, 12), (12, 13)]:
        assert unit < tuple(output.shape[2:])
        reached = footprint(network, "glass", 1, size, unit=unit)
        for axis in range(2):
            lines = reached.any(1 - axis).nonzero().flatten().tolist()
            assert (lines[0], lines[-1]) == fields[axis].span(unit[axis])
