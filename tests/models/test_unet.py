"""U-Net against figure 1 and the text of Ronneberger et al. 2015, and against the same written out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.models.analysis.describe import describe
from convworks.models.analysis.footprint import footprint
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create

SMALL: dict[str, Any] = {"widths": (3, 4, 5)}


def test_it_has_23_convolutions() -> None:
    kinds = [row.kind for row in describe("unet", batch=2).layers]
    assert kinds.count("Conv2d") == 19
    assert kinds.count("ConvTranspose2d") == 4


def test_multiply_adds_of_an_up_convolution() -> None:
    """Every input value is multiplied by the whole kernel of every output map."""
    (row,) = (row for row in describe("unet", batch=2).layers if row.name == "hourglass.rise4")
    assert row.output == (512, 56, 56)
    assert row.macs == 28 * 28 * 1024 * 512 * 2 * 2


def test_published_receptive_field_of_the_bottleneck() -> None:
    with torch.device("meta"):
        network = create("unet")
    for field in receptive_fields(network, 1, (572, 572))["stages.hourglass.down4"]:
        assert (field.size, int(field.stride)) == (140, 16)


@pytest.mark.parametrize("name", ["unet", "unet_padded", "prior_unet"])
def test_receptive_fields_are_what_gradients_reach(name: str) -> None:
    size, without = (76, 84), {"normalisation": "none"}  # which would spread everything over the whole map
    network = create(name, Shape(classes=2, channels=1, size=size), table=SMALL | without)
    fields = receptive_fields(network, 1, size)
    for tap in ("down2", "rise2", "up2", "rise1", "up1"):
        at = f"stages.hourglass.{tap}"
        output = network.eval().activations(torch.zeros(1, 1, *size), [f"hourglass.{tap}"])[f"hourglass.{tap}"]
        unit = [n // 2 for n in output.shape[2:]]
        reached = footprint(network, at, 1, size, unit=unit)
        for axis in range(2):
            lines = reached.any(1 - axis).nonzero().flatten().tolist()
            assert (lines[0], lines[-1]) == fields[at][axis].span(unit[axis]), (tap, axis)


def by_hand(network: nn.Module, x: Tensor, padding: int) -> Tensor:
    """Compute three scales as figure 1 draws them."""
    weights = dict(network.named_parameters())

    def twice(x: Tensor, prefix: str) -> Tensor:
        for number in (1, 2):
            x = F.conv2d(
                x, weights[f"{prefix}conv{number}.weight"], weights[f"{prefix}conv{number}.bias"], padding=padding
            )
            x = x.clamp(min=0)
        return x

    def up(x: Tensor, beside: Tensor, number: int) -> Tensor:
        prefix = f"stages.hourglass.rise{number}."
        x = F.conv_transpose2d(x, weights[prefix + "weight"], weights[prefix + "bias"], stride=2)
        cut = (beside.shape[2] - x.shape[2]) // 2
        beside = beside[:, :, cut : cut + x.shape[2], cut : cut + x.shape[3]]
        return twice(torch.cat([beside, x], 1), f"stages.hourglass.up{number}.")

    first = twice(x, "stem.")
    second = twice(F.max_pool2d(first, 2), "stages.hourglass.down1.")
    third = twice(F.max_pool2d(second, 2), "stages.hourglass.down2.")
    last = up(up(third, second, 2), first, 1)
    return F.conv2d(last, weights["head.logits.weight"], weights["head.logits.bias"])


@pytest.mark.parametrize(("name", "padding", "size"), [("unet", 0, (60, 60)), ("unet_padded", 1, (24, 32))])
def test_it_computes_what_the_figure_says(name: str, padding: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = create(name, Shape(classes=2, channels=1, size=size), table=SMALL).eval().double()
    x = torch.randn(2, 1, *size, dtype=torch.float64)
    actual, expected = network(x), by_hand(network, x, padding)
    assert actual.shape[2:] == (tuple(n - 40 for n in size) if padding == 0 else size)
    assert (actual - expected).abs().max() <= 1e-12 * expected.abs().max()


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (15, 33), (47, 31)])
def test_with_padding_every_size_comes_back(size: tuple[int, int]) -> None:
    network = create("unet_padded", Shape(classes=3, channels=2, size=size), table={"widths": (2, 2, 2, 2, 2)}).eval()
    assert network(torch.randn(1, 2, *size)).shape == (1, 3, *size)


def test_without_padding_sizes_that_leave_a_rest_are_refused() -> None:
    with pytest.raises(InputError, match=r"^images: 570x572 pixels do not fit.*188, 204, 220, .*next is 572x572$"):
        create("unet", Shape(classes=2, channels=1, size=(570, 572)))
    network = create("unet", Shape(classes=2, channels=1, size=(188, 204)), table={"widths": (2, 2, 2, 2, 2)}).eval()
    assert network(torch.randn(1, 1, 188, 204)).shape == (1, 2, 4, 20)
    with pytest.raises(InputError, match=r"180x204 pixels do not fit"):
        network(torch.randn(1, 1, 180, 204))


def test_what_fits_is_what_is_even_before_every_pooling() -> None:
    for side in range(22, 54):
        n, even = side - 4, True
        for _ in range(2):
            even = even and n % 2 == 0
            n = n // 2 - 4
        refused = False
        try:
            create("unet", Shape(classes=2, channels=1, size=(side, side)), table=SMALL)
        except InputError:
            refused = True
        assert refused == (not even or n < 4), side


def test_an_image_too_small_for_instance_normalisation_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"32x32 pixels are too small for prior_unet; it needs at least 33x33"):
        create("prior_unet", Shape(classes=3, channels=32, size=(32, 32)))


def test_first_weights() -> None:
    torch.manual_seed(0)
    network = create("unet", Shape(classes=2, channels=1, size=(188, 188)), table={"widths": (16, 32, 64)})
    glass = network.stages.get_submodule("hourglass")
    for name, fan_in in (("down2.conv2", 9 * 64), ("up1.conv1", 9 * 32), ("rise2", 64)):
        weight = glass.get_submodule(name).get_parameter("weight")
        assert math.isclose(float(weight.detach().std()), math.sqrt(2 / fan_in), rel_tol=0.05)
