"""Skip connections across the stages of a network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convworks.layers.cut import body
from convworks.layers.network import Network


class Plus(nn.Module):
    """Add what is read besides."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        return x + sum(others)


def times(factor: float) -> nn.Conv2d:
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(layer.weight, factor)
    return layer


def linked() -> Network:
    inner = nn.Sequential()
    inner.add_module("twice", times(2))
    inner.add_module("thrice", times(3))
    after = nn.Sequential()
    after.add_module("plus", Plus())
    head = nn.Sequential()
    head.add_module("last", Plus())
    links = {"after.plus": ("inner.twice", "stem"), "head.last": ("images", "inner")}
    return Network(stem=times(10), stages={"inner": inner, "after": after}, head=head, links=links)


def test_a_part_reads_the_outputs_that_its_links_name_besides_its_input() -> None:
    network, x = linked(), torch.randn(2, 1, 3, 3)
    # 10 x, then 20 x, 60 x; 60 + 20 + 10 = 90 x; and 90 + 1 + 60.
    torch.testing.assert_close(network(x), 151 * x)
    torch.testing.assert_close(network.outputs(x)[0], 151 * x)
    activations = network.activations(x, network.taps)
    assert list(activations) == [
        "stem",
        "inner.twice",
        "inner.thrice",
        "inner",
        "after.plus",
        "after",
        "head.last",
        "head",
    ]
    torch.testing.assert_close(activations["after.plus"], 90 * x)
    assert set(network.state_dict()) == {
        "stem.weight",
        "stages.inner.twice.weight",
        "stages.inner.thrice.weight",
    }, "names are those of a network without links"


@pytest.mark.parametrize(("tap", "factor"), [("inner.twice", 20), ("inner", 60), ("after", 90), ("head.last", 151)])
def test_what_is_cut_keeps_the_links_within_it(tap: str, factor: int) -> None:
    x = torch.randn(1, 1, 2, 2)
    part = body(linked(), tap)
    torch.testing.assert_close(part(x), factor * x)
    assert set(part.links) == {each for each in ("after.plus", "head.last") if each in part.taps}
