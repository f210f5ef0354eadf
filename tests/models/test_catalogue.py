"""One contract for every network of the catalogue."""

from __future__ import annotations

import importlib

import pytest
import torch

from convworks.errors import InputError
from convworks.models import FAMILIES, NAMES
from convworks.models.catalogue import Shape, create, facts, row
from convworks.models.count import count, count_published, layers

# Networks of more than a million parameters differ from the small ones of their family in depth only.
SMALL = [name for name in NAMES if "1202" not in name and "110" not in name]

PUBLISHED = {  # parameters, and multiply-adds where the papers' numbers could be checked
    "lenet5": (60_000, None),
    "resnet20": (269_722, 40_551_040),
    "resnet32": (464_154, None),
    "resnet44": (658_586, None),
    "resnet56": (853_018, 125_485_696),
    "resnet110": (1_727_962, None),
    "resnet1202": (19_421_274, None),
}


def test_names_are_the_rows_of_the_tables() -> None:
    for family, names in FAMILIES.items():
        module = importlib.import_module(f"convworks.models.{family}")
        assert tuple(module.ROWS) == tuple(module.FACTS) == names


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_equal_the_published_ones(name: str) -> None:
    parameters, macs = PUBLISHED[name]
    found = count_published(name)
    assert found.parameters == parameters
    assert macs is None or found.macs == macs


@pytest.mark.parametrize("name", SMALL)
def test_plain_twins_have_the_parameters_of_their_residual_network(name: str) -> None:
    if name.startswith("plain"):
        assert count_published(name) == count_published(name.replace("plain", "resnet"))


@pytest.mark.parametrize("name", SMALL)
def test_layers_add_up(name: str) -> None:
    rows, total = layers(name), count_published(name)
    assert sum(layer.parameters for layer in rows) == total.parameters
    assert sum(layer.macs for layer in rows) == total.macs


@pytest.mark.parametrize("classes", [2, 10, 37])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", SMALL)
def test_logits_for_any_classes_channels_and_larger_or_oblong_images(name: str, channels: int, classes: int) -> None:
    height, width = facts(name).shape.size
    for size in ((height, width), (height + 7, width + 2)):
        network = create(name, Shape(classes=classes, channels=channels, size=size)).eval()
        assert network(torch.randn(1, channels, *size)).shape == (1, classes)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_parameter(name: str) -> None:
    shape = facts(name).shape
    network = create(name)
    logits = network(torch.randn(4, shape.channels, *shape.size))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()  # type: ignore[no-untyped-call]
    for parameter, value in network.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize("name", SMALL)
def test_taps_are_all_computed_and_the_head_gives_the_logits(name: str) -> None:
    shape = facts(name).shape
    network, images = create(name).eval(), torch.randn(2, shape.channels, *shape.size)
    found = network.activations(images, network.taps)
    assert list(found) == list(network.taps)
    assert torch.equal(found["head"], network(images))


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_and_double_precision_agree(name: str) -> None:
    shape = facts(name).shape
    images = torch.randn(3, shape.channels, *shape.size)
    network = create(name).eval()
    expected = network.double()(images.double())
    found = network.float().channels_last()(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)


def test_the_same_seed_gives_the_same_network() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(create("resnet20").state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_an_unknown_tap_lists_the_taps() -> None:
    network = create("lenet5")
    with pytest.raises(InputError, match=r"'c4'.*s2"):
        network.activations(torch.randn(1, 1, 32, 32), ["c4"])


def test_an_image_too_small_says_what_is_needed() -> None:
    with pytest.raises(InputError, match=r"20x20.*at least 32x32"):
        create("lenet5", Shape(classes=10, channels=1, size=(20, 20)))


def test_a_table_field_can_be_replaced_and_an_unknown_one_is_refused() -> None:
    assert row("resnet20", {"widths": (8, 16, 32)}).widths == (8, 16, 32)
    thin = create("resnet20", table={"widths": (8, 16, 32)})
    assert count(thin, torch.zeros(1, 3, 32, 32)).parameters < 100_000
    with pytest.raises(InputError, match=r"model\.table\.width.*widths"):
        create("resnet20", table={"width": 3})


def test_an_unknown_network_names_its_neighbours() -> None:
    with pytest.raises(InputError, match=r"resnet21.*resnet20"):
        create("resnet21")
