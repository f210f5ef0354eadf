"""The closed form of receptive fields."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from convworks.errors import InputError
from convworks.ops.receptive import PIXELS, along_chain, through_up_window, through_window


def test_a_chain_of_windows_is_what_they_are_one_by_one() -> None:
    layers = [(3, 1, 1), (2, 2, 1), (5, 1, 2), (3, 2, 1)]
    field = PIXELS
    for kernel_size, stride, dilation in layers:
        field = through_window(field, kernel_size=kernel_size, stride=stride, dilation=dilation)
    size, stride = along_chain(layers)
    assert (size, stride) == (1 + 2 + 1 + 16 + 4, 4)
    assert (field.size, int(field.stride)) == (size, stride)
    assert along_chain([(np.int64(3), 1, 1)]) == (3, 1)


@pytest.mark.parametrize("numbers", [(0, 1, 1), (3, 0, 1), (3, 1, -1)])
def test_numbers_of_a_chain(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="must be at least 1"):
        along_chain([(3, 1, 1), numbers])
    kernel_size, stride, dilation = numbers
    with pytest.raises(InputError, match="must be at least 1"):
        through_window(PIXELS, kernel_size=kernel_size, stride=stride, dilation=dilation)
    with pytest.raises(InputError, match="must be at least 1"):
        through_up_window(PIXELS, kernel_size=kernel_size, stride=stride, dilation=dilation)


def test_half_a_position() -> None:
    with pytest.raises(InputError, match=r"stride: stride=1.5 must be a whole number"):
        inspect.unwrap(along_chain)([(3, 1.5, 1)])  # without the tests' checks of types
