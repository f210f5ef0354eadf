"""Networks of one's own, beside those of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import convworks
from convworks.errors import InputError
from convworks.models import OWN
from convworks.models.catalogue import Shape, create


@pytest.fixture
def small() -> Iterator[str]:
    @convworks.network("small_one", channels=1, size=(8, 8))
    def small_one(shape: Shape) -> nn.Module:
        return nn.Sequential(nn.Conv2d(shape.channels, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, shape.classes))

    yield "small_one"
    OWN.pop("small_one", None)


def test_it_trains_and_its_bundle_is_loaded_where_the_name_is_known(small: str, tmp_path: Path) -> None:
    results = convworks.train(model=small, epochs=1, out=tmp_path / "run")
    assert convworks.load(results["bundle"]).evaluate("digits")["top1"] == results["test"]["top1"]
    del OWN[small]
    with pytest.raises(InputError, match=r"no network 'small_one'.*convworks\.network"):
        convworks.load(results["bundle"])


def test_it_is_built_for_any_classes_and_channels(small: str) -> None:
    network = create(small, Shape(classes=3, channels=2, size=(8, 8)))
    assert network(torch.zeros(5, 2, 8, 8)).shape == (5, 3)
    assert network.taps == ("stem", "head.0", "head.1", "head.2", "head.3", "head")


def test_names_of_the_catalogue_are_taken() -> None:
    with pytest.raises(InputError, match=r"network: 'resnet20'.*another name"):
        convworks.network("resnet20", channels=3, size=(32, 32))


def test_a_size_that_it_cannot_take_says_so(small: str) -> None:
    with pytest.raises(InputError, match="too small for small_one"):
        create(small, Shape(classes=3, channels=1, size=(2, 2)))
