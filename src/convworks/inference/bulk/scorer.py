"""From files to activated outputs, as a value; nothing imports PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from convworks.data.location import Location

#: Files of a batch, at most: small images are decoded one by one, so that larger batches gain nothing.
MOST = 256


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """What a network answers for files, batch by batch.

    `prepare` decodes one file in any thread, and raises InputError for a damaged one; `blank` stands for such a file in
    its batch. `score` gives the activated outputs of a batch; NaN for a file whose outputs are not finite. A batch has
    `batch` files: the last bits of an answer depend on the number of files that are computed together.
    """

    prepare: Callable[[Location], Any]
    blank: Any
    score: Callable[[Sequence[Any]], Float32[np.ndarray, "b *output"]]
    batch: int
