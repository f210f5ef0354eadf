"""Whole numbers at the door: NumPy's integers are taken, everything else is told in one line, nothing is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jaxtyping
import numpy as np
import pytest

from convworks.errors import InputError
from convworks.ops import counts, cross_correlation, dropout, matrix, up_convolution
from convworks.ops.activation import softmax
from convworks.ops.normalisation import group_normalisation, local_response_normalisation
from convworks.ops.pooling import adaptive_max_pooling, average_pooling, global_average_pooling, max_pooling
from convworks.ops.shape import same_padding, sliding, up_size
from convworks.ops.unit import convolution as one_convolution
from convworks.ops.unit import max_pooling as one_max
from convworks.ops.unit.terms import index_of

X, W = np.arange(100.0).reshape(1, 4, 5, 5), np.ones((4, 2, 3, 3))


@pytest.fixture
def as_a_user() -> Iterator[None]:
    """Turn the checked annotations off: without them, the operations themselves have to refuse."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("number", [np.int64, np.int32, np.uint8])
def test_integers_of_numpy_are_taken(number: Callable[[int], Any]) -> None:
    one, two, three = number(1), number(2), number(3)
    options: dict[str, Any] = {"stride": (two, two), "padding": ((one, one), one), "dilation": one, "groups": two}
    expected = cross_correlation.forward(X, W, stride=2, padding=1, groups=2)
    np.testing.assert_array_equal(cross_correlation.forward(X, W, **options), expected)
    gradient = cross_correlation.gradient(expected, X, kernel_size=(three, 3), **options)
    assert gradient.weight.shape == W.shape
    assert cross_correlation.backward(expected, W, size=number(5), **options).shape == X.shape
    up = up_convolution.forward(X, W, stride=two, padding=one, output_padding=one, groups=two)
    np.testing.assert_array_equal(up, up_convolution.forward(X, W, stride=2, padding=1, output_padding=1, groups=2))
    assert max_pooling.forward(X, kernel_size=two, stride=one).shape == (1, 4, 4, 4)
    assert average_pooling.forward(X, kernel_size=two, padding=one).shape == (1, 4, 3, 3)
    assert adaptive_max_pooling.forward(X, output_size=two).shape == (1, 4, 2, 2)
    assert group_normalisation.forward(X, np.ones(4), np.ones(4), groups=two).shape == X.shape
    assert local_response_normalisation.forward(X, n=three).shape == X.shape
    assert softmax.forward(X, axis=one).shape == X.shape
    assert counts.convolution((number(8), 8), kernel_size=three, out_channels=two).parameters == 20
    assert matrix.matrix(W, size=number(5), groups=two).shape == (36, 100)
    assert one_max.forward(X, unit=(0, one, 0, two), kernel_size=one).sum == X[0, 1, 0, 2]


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: cross_correlation.forward(X, W, groups=2, stride=1.5), "stride: stride=1.5 must be a whole number"),  # type: ignore[arg-type]
    (lambda: cross_correlation.forward(X, W, groups=2, stride=None), "stride: stride=None must be a whole number"),  # type: ignore[arg-type]
    (lambda: cross_correlation.forward(X, W, groups=2, stride=(1.9, 1.9)), "stride: stride=1.9 must be a whole"),  # type: ignore[arg-type]
    (lambda: cross_correlation.forward(X, W, groups=2, padding=0.5), "padding: padding=0.5 must be a whole number"),  # type: ignore[arg-type]
    (lambda: cross_correlation.forward(X, W, groups=2, padding=((0.5, 1), 1)), "padding: padding=0.5 must be a"),  # type: ignore[arg-type]
    (lambda: cross_correlation.forward(X, W, groups=2, padding=None), "padding: padding=None must be a whole number"),  # type: ignore[arg-type]
    (lambda: cross_correlation.forward(X, W, groups=2.0), "groups: groups=2.0 must be a whole number; give an int"),  # type: ignore[arg-type]
    (lambda: cross_correlation.forward(X, W, groups=None), "groups: groups=None must be a whole number"),  # type: ignore[arg-type]
    (lambda: cross_correlation.gradient(X, X, kernel_size="3"), "kernel_size: kernel_size='3' must be a whole"),  # type: ignore[arg-type]
    (lambda: up_convolution.forward(X, W, output_padding=0.5), "output_padding: output_padding=0.5 must be a"),  # type: ignore[arg-type]
    (lambda: max_pooling.forward(X, kernel_size=None), "kernel_size: kernel_size=None must be a whole number"),  # type: ignore[arg-type]
    (lambda: adaptive_max_pooling.forward(X, output_size=(None, 2)), "output_size: output_size=None must be a"),  # type: ignore[arg-type]
    (lambda: counts.convolution(32, kernel_size=3), "size: size=32 must be a sequence, one whole number for each"),  # type: ignore[arg-type]
    (lambda: global_average_pooling.backward([[1.0]], size=2), "size: size=2 must be a sequence"),  # type: ignore[arg-type]
    (lambda: matrix.to_convolution(np.ones((2, 4)), size=2), "size: size=2 must be a sequence"),  # type: ignore[arg-type]
    (lambda: matrix.to_convolution(np.ones((2, 4)), size=(-2, -2)), "size: size=-2 must be at least 1"),
    (lambda: dropout.mask(3, 0.5, np.random.default_rng()), "shape: shape=3 must be a sequence"),  # type: ignore[arg-type]
    (lambda: dropout.mask((3, -1), 0.5, np.random.default_rng()), "shape: shape=-1 must be at least 0"),
    (lambda: index_of("unit", (0, 0.9), (2, 2)), "unit: unit=0.9 must be a whole number"),  # type: ignore[arg-type]
    (lambda: one_max.forward(X, unit=3, kernel_size=2), "unit: unit=3 must be a sequence"),  # type: ignore[arg-type]
    (lambda: one_convolution.bias_gradient(X, channel=0.5), "channel: channel=0.5 must be a whole number"),  # type: ignore[arg-type]
    (lambda: up_size(0, kernel_size=0, stride=-3), "size: size=0 must be at least 1"),
    (lambda: up_size(3, kernel_size=3, stride=-3), "stride: stride=-3 must be at least 1"),
    (lambda: up_size(3, kernel_size=3, stride=2, output_padding=2), "output_padding: output_padding=2 must be at"),
    (lambda: up_size(1, kernel_size=3, padding=2), "padding: 2 cuts everything off"),
    (lambda: same_padding(2.5), "kernel_size: kernel_size=2.5 must be a whole number"),  # type: ignore[arg-type]
    (lambda: sliding((4.5,), 2), "size: size=4.5 must be a whole number"),  # type: ignore[arg-type]
]


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(("call", "line"), BAD, ids=[row[1] for row in BAD])
def test_anything_else_is_told_in_one_line(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_a_user")
def test_arrays_of_numbers_are_sequences() -> None:
    stride: Any = np.array([2, 1])
    assert cross_correlation.forward(X, W, groups=2, stride=stride).shape == (1, 4, 2, 3)
