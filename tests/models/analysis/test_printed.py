"""What papers print, beside what is counted."""

from __future__ import annotations

import pytest
import torch
from thorough import shallow_first
from torch import nn

from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models import NAMES
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.printed import Compared, compare
from convworks.models.analysis.trace import trace
from convworks.models.catalogue import Printed, create, example, facts


def published(name: str) -> list[Compared]:
    with without_values():
        network, images = create(name), example(name)
        return compare(network, trace(network, images), facts(name).printed)


@pytest.mark.parametrize("name", shallow_first(name for name in NAMES if facts(name).printed))
def test_every_difference_from_a_paper_has_its_reason(name: str) -> None:
    for row in published(name):
        assert row.agrees or row.note, row


def test_googlenet_in_thousands_of_1024_and_without_biases() -> None:
    """REFERENCE: the paper's table against the arithmetic of its own widths."""
    rows = {(row.tap, row.what): row for row in published("googlenet")}
    assert rows["inception3a", "parameters"].ours == "159.5K"
    assert rows["inception3a", "parameters"].how == "weights alone, K = 1024"
    assert rows["inception3a", "parameters"].agrees
    assert rows["inception4c", "parameters"].ours == "497.5K"
    assert rows["inception4c", "parameters"].difference == pytest.approx(497.5 / 463 - 1, abs=1e-4)
    assert rows["inception5a", "macs"].ours == "51.1M"
    assert [row.tap for row in rows.values() if row.what == "output" and not row.agrees] == []


def small(*printed: Printed) -> list[Compared]:
    """Compare with a convolution of 2,700 weights and 100 biases on 4x5 images: 54,000 multiply-adds."""
    with torch.device("meta"):
        convolution = nn.Conv2d(3, 100, 3, padding=1)
        network = Network(stem=convolution, stages={}, head=nn.Sequential(nn.Flatten()))
        return compare(network, trace(network, torch.empty(1, 3, 4, 5)), printed)


@pytest.mark.parametrize(
    ("text", "agrees", "ours", "how"),
    [
        ("2.8K", True, "2.80K", ""),
        ("2.7K", True, "2.70K", "weights alone"),
        ("2.73 K", True, "2.734K", "K = 1024"),
        ("3K", True, "2.8K", ""),
        ("3,000", False, "2,800", ""),
        ("2,800", True, "2,800", ""),
        ("0.0028 million", True, "0.00280M", ""),
        ("2.8 x 10^3", True, "2.80K", ""),
        ("< 3K", True, "2.8K", ""),
        ("< 2.5K", False, "2.80K", ""),
        ("2.9K", False, "2.80K", ""),
    ],
)
def test_a_count_agrees_when_ours_rounds_to_it(text: str, agrees: bool, ours: str, how: str) -> None:
    (row,) = small(Printed(tap="stem", parameters=text))
    assert (row.agrees, row.ours, row.how) == (agrees, ours, how)


def test_multiply_adds_of_the_whole_and_of_a_part() -> None:
    assert [row.ours for row in small(Printed(tap="", macs="54K"), Printed(tap="head", macs="0K"))] == ["54.0K", "0.0K"]


@pytest.mark.parametrize(
    ("text", "agrees"),
    [("4x5x100", True), ("100@4x5", True), ("4 x 5", True), ("5x4", False), ("4x5x99", False), ("4x5x1x100", True)],
)
def test_an_output_agrees_in_any_usual_order(text: str, agrees: bool) -> None:
    (row,) = small(Printed(tap="stem", output=text))
    assert row.agrees is agrees
    assert row.ours == "4x5x100"


def test_of_several_ways_to_count_the_commonest_goes_first() -> None:
    rows = small(Printed(tap="", parameters="2.73K"), Printed(tap="stem", parameters="2.7K"))
    assert [row.how for row in rows] == ["K = 1024", "K = 1024"]


def test_bad_rows_are_refused() -> None:
    with pytest.raises(InputError, match=r"there is no part 'sten'.*'stem'"):
        small(Printed(tap="sten", output="1"))
    with pytest.raises(InputError, match="'many' is not a number"):
        small(Printed(tap="", parameters="many"))
