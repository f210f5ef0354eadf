"""Sentence classification against Kim 2014."""

from __future__ import annotations

import pytest
import torch

from convworks.errors import InputError
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create, example

SHAPE = Shape(classes=2, channels=50, size=(12,))
ROWS = ("textcnn_rand", "textcnn_static", "textcnn_nonstatic", "textcnn_multichannel")


@pytest.mark.parametrize("name", ROWS)
def test_by_hand(name: str) -> None:
    """Equations 2 to 4, word by word."""
    torch.manual_seed(0)
    network, tokens = create(name, SHAPE).eval().double(), example(name, SHAPE, batch=2)
    assert tokens.shape == (2, 12)
    vectors = torch.cat([table[tokens] for table in network.stem.parameters()], dim=2)
    features = []
    for width in (3, 4, 5):
        weight = network.get_parameter(f"stages.branches.width{width}.conv.weight")  # [map, dimension, word]
        bias = network.get_parameter(f"stages.branches.width{width}.conv.bias")
        windows = [
            torch.relu(torch.einsum("bwd,mdw->bm", vectors[:, i : i + width], weight) + bias)
            for i in range(12 - width + 1)
        ]
        features.append(torch.stack(windows).amax(0))
    logits = network.head.get_submodule("logits")(torch.cat(features, 1))
    torch.testing.assert_close(network(tokens), logits, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("textcnn", [True]),
        ("textcnn_rand", [True]),
        ("textcnn_static", [False]),
        ("textcnn_nonstatic", [True]),
        ("textcnn_multichannel", [False, True]),
    ],
)
def test_which_vectors_are_trained(name: str, trained: list[bool]) -> None:
    network = create(name, SHAPE)
    tables = list(network.stem.parameters())
    assert [table.requires_grad for table in tables] == trained
    assert all(torch.equal(table, tables[0]) for table in tables)
    assert 0.24 < tables[0].detach().abs().max() <= 0.25
    assert not tables[0][0].any()
    assert all(parameter.requires_grad for parameter in (*network.stages.parameters(), *network.head.parameters()))


def test_it_learns_the_order_of_words() -> None:
    """The same words in another order are another class: what a bag of words cannot know."""
    torch.manual_seed(0)
    network = create("textcnn_static", SHAPE)
    tokens = torch.randint(10, 50, (64, 12))
    labels = torch.arange(64) % 2
    for row, label in enumerate(labels.tolist()):
        tokens[row, 4:6] = torch.tensor([[1, 2], [2, 1]][label])
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.003)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(tokens), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert (network.eval()(tokens).argmax(1) == labels).all()


def test_filters_see_three_to_five_words() -> None:
    network = create("textcnn_rand", SHAPE)
    fields = receptive_fields(network.stages, 300, (12,))
    assert [fields[f"branches.width{width}.conv"][0].size for width in (3, 4, 5)] == [3, 4, 5]


def test_a_sentence_too_short_says_what_is_needed() -> None:
    with pytest.raises(InputError, match=r"too small for textcnn_rand; it needs at least 5"):
        create("textcnn_rand", Shape(classes=2, channels=50, size=(4,)))
