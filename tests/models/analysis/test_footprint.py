"""The footprint of gradients: which pixels reach a unit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.errors import InputError
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.models.analysis.footprint import footprint
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import create


def test_the_footprint_is_where_the_true_gradient_is_not_zero() -> None:
    """Without max pooling and dead units, the gradient of the real network reaches the same pixels."""
    torch.manual_seed(0)
    network = create("lenet5").double().eval()
    images = torch.randn(1, 1, 40, 44, dtype=torch.float64, requires_grad=True)
    activation = network.activations(images, ["c5"])["c5"]
    (gradient,) = torch.autograd.grad(activation[0, :, 1, 2].sum(), images)
    mask = footprint(network.float(), "stages.c5", 1, (40, 44), unit=(1, 2))
    assert torch.equal(gradient[0, 0].ne(0), mask)


def test_taps_that_have_no_map() -> None:
    network = create("lenet5")
    with pytest.raises(InputError, match="tap: there is no module 'c9'"):
        footprint(network, "c9", 1, (32, 32))
    with pytest.raises(InputError, match=r"tap: head.f6 has no map, its output is \(1, 84\)"):
        footprint(network, "head.f6", 1, (32, 32))


def test_the_footprint_of_other_types_and_ranks() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        assert footprint(nn.Sequential(nn.Conv2d(1, 1, 3).to(dtype)), "0", 1, (8, 9), unit=(0, 1)).sum() == 9
    assert footprint(nn.Sequential(nn.Conv1d(1, 1, 3)), "0", 1, (8,)).sum() == 3
    assert footprint(nn.Sequential(nn.Conv3d(1, 1, 3)), "0", 1, (8, 7, 6)).sum() == 27


def test_local_response_normalisation_stays_at_its_place() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3), LocalResponseNormalisation(), nn.Conv2d(8, 1, 3))
    assert footprint(network, "2", 1, (9, 9)).sum() == 25
    assert receptive_fields(network, 1, (9, 9))["2"][0].size == 5


@pytest.mark.parametrize("unit", [(1,), (99, 0), (-1, 0), (1, 1, 1)])
def test_units_that_are_not_on_the_map(unit: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"unit: \(.* is not on the map of 0, which has size \(6, 6\)"):
        footprint(nn.Sequential(nn.Conv2d(1, 1, 3)), "0", 1, (8, 8), unit=unit)


def test_images_that_do_not_fit() -> None:
    network = nn.Sequential(nn.Conv2d(3, 1, 3))
    with pytest.raises(InputError, match=r"images: 2x2x3 do not pass through the network \(Calculated padded input"):
        receptive_fields(network, 3, (2, 2))
    with pytest.raises(InputError, match=r"images: 8x8x1 do not pass through the network"):
        footprint(network, "0", 1, (8, 8))
