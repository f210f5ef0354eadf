"""Shape arithmetic: against counting by hand and PyTorch, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops.shape import output_size, same_padding, sliding, up_size


@settings(max_examples=repeats(75, 300), derandomize=True)
@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3))
def test_floor_and_ceil_equal_pytorch(size: int, kernel_size: int, stride: int, padding: int, dilation: int) -> None:
    padding = min(padding, kernel_size // 2)
    if dilation * (kernel_size - 1) + 1 > size + 2 * padding:
        with pytest.raises(InputError, match=f"kernel_size={kernel_size}.* must not exceed the padded input"):
            output_size(size, kernel_size=kernel_size, padding=padding, dilation=dilation, rounding="floor")
        return
    options: dict[str, Any] = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    for rounding in ("floor", "ceil"):
        theirs = F.max_pool1d(torch.zeros(1, 1, size), ceil_mode=rounding == "ceil", **options)
        assert output_size(size, **options, rounding=rounding) == theirs.shape[2]


@settings(max_examples=repeats(75, 300), derandomize=True)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_a_window_is_at_every_place_where_it_fits(size: int, kernel: int, stride: int, before: int, after: int) -> None:
    padded = before + size + after
    places = [at for at in range(0, padded, stride) if at + kernel <= padded]
    options: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "padding": ((before, after),)}
    if not places:
        return
    assert output_size(size, **options, rounding="floor") == len(places)
    rest = padded - (places[-1] + kernel)
    (axis,) = sliding((size,), kernel, stride, ((before, after),))
    assert axis.leftover == rest
    assert axis.overhang == 0
    if rest:
        with pytest.raises(InputError, match="does not fit"):
            output_size(size, **options, rounding="exact")
    else:
        assert output_size(size, **options, rounding="exact") == len(places)


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 3))
def test_same_keeps_the_size(size: int, kernel_size: int, dilation: int) -> None:
    if dilation * (kernel_size - 1) % 2:
        with pytest.raises(InputError, match=f"'same' needs .* kernel_size={kernel_size}"):
            same_padding(kernel_size, dilation)
        return
    zeros = same_padding(kernel_size, dilation)
    options: dict[str, Any] = {"kernel_size": kernel_size, "dilation": dilation}
    assert output_size(size, **options, padding="same", rounding="exact") == size
    assert output_size(size, **options, padding=zeros, rounding="exact") == size
    assert output_size(size, **options, padding="same", stride=2, rounding="floor") == -(-size // 2)


def test_up_convolution_undoes_the_size_of_a_convolution() -> None:
    for size in range(5, 15):
        for stride in (1, 2, 3):
            small = output_size(size, kernel_size=3, stride=stride, padding=1, rounding="floor")
            rest = (size + 2 - 3) % stride
            assert up_size(small, kernel_size=3, stride=stride, padding=1, output_padding=rest) == size


def test_conventions_are_named() -> None:
    """Lecture 004: a 3x3 filter at stride 3 does not fit a 7x7 input; floor drops a pixel, ceil adds a window."""
    with pytest.raises(InputError) as caught:
        output_size(7, kernel_size=3, stride=3, rounding="exact")
    line = "stride: kernel_size=3 at stride=3 does not fit an input of 0 + 7 + 0: (7 - 3) / 3 leaves 1; "
    assert str(caught.value) == line + "choose a stride that divides, or rounding 'floor' or 'ceil'"
    assert output_size(7, kernel_size=3, stride=3, rounding="floor") == 2
    assert output_size(7, kernel_size=3, stride=3, rounding="ceil") == 3
    with pytest.raises(InputError, match="rounding: 'round' is not known; give one of floor, ceil, exact"):
        output_size(7, kernel_size=3, rounding="round")
