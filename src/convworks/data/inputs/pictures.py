"""Samples of a split as the pictures that pages show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import UInt8

from convworks.data.decode.images import take
from convworks.data.inputs.input import Input
from convworks.data.source import Split


def pictures(input: Input, split: Split, indices: Sequence[int]) -> Iterator[UInt8[np.ndarray, "h w c"]]:
    """Yield some samples of a split as pictures; nothing is cached."""
    stored = input.open(split.select(np.array(indices)), always=True).images
    for row in range(len(indices)):
        yield input.picture(take(stored, slice(row, row + 1))[0])
