"""Sizes that can be halved without a rest."""

from __future__ import annotations

import pytest
import torch

from convworks.errors import InputError
from convworks.layers.sides import Sides


def test_those_that_fit_pass() -> None:
    x = torch.randn(1, 1, 20, 28)
    assert Sides(20, 8)(x) is x


@pytest.mark.parametrize(("side", "following"), [(1, 20), (19, 20), (20, 20), (21, 28), (27, 28), (29, 36)])
def test_the_next_that_fits(side: int, following: int) -> None:
    assert Sides(20, 8).next(side) == following


def test_others_are_told_what_fits() -> None:
    with pytest.raises(
        InputError, match=r"^images: 21x20 pixels do not fit; valid sides are 20, 28, 36, ...; the next is 28x20"
    ):
        Sides(20, 8)(torch.randn(1, 1, 21, 20))
