"""Words as vectors, in one set or several."""

from __future__ import annotations

import torch

from convworks.layers.word_vectors import WordVectors


def test_vectors_of_all_sets_are_the_channels_of_a_word() -> None:
    words = WordVectors(6, 2, {"static": False, "trained": True})
    vectors = torch.arange(12.0).reshape(6, 2)
    words.assign(vectors)
    output = words(torch.tensor([[1, 5, 0]]))
    assert output.tolist() == [[[2, 10, 0], [3, 11, 0], [2, 10, 0], [3, 11, 0]]]
    assert [parameter.requires_grad for parameter in words.parameters()] == [False, True]


def test_the_word_that_fills_up_stays_zero() -> None:
    words = WordVectors(4, 3, {"trained": True})
    words.assign(torch.ones(4, 3))
    words(torch.tensor([[0, 1, 0]])).sum().backward()
    (vectors,) = words.parameters()
    assert vectors.grad is not None
    assert vectors.grad.abs().sum(1).tolist() == [0, 3, 0, 0]
    assert not vectors[0].any()
