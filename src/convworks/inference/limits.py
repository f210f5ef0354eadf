"""How many samples are computed at once, and what is said of values that overflow; nothing imports PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Pixels per batch: activations fit in a CPU's cache, and fill a GPU. But every batch reads all weights, which exceed
# the cache: of large images at least a few are computed together, as far as memory allows.
PIXELS = {"cpu": 1 << 17}
MOST_PIXELS = 1 << 23
FEW, MOST_OF_FEW = 16, 1 << 20
OVERFLOW = "the network's answer is NaN or infinite: its values overflow"
NO_OVERFLOW = "train it again at a lower learning rate, or import other weights"


def batch_size(kind: str, size: Sequence[int]) -> int:
    """Return the batch size on a kind of device for samples of a size (height, width; or any other axes)."""
    area = math.prod(size)
    few = min(FEW, MOST_OF_FEW // area)
    return max(1, few, min(1024, PIXELS.get(kind, MOST_PIXELS) // area))
