"""Images of light squares on darker ground, with their masks: what any network that segments learns in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Write = Callable[[np.ndarray, Path], None]


def write_squares(
    root: Path,
    count: int,
    *,
    sizes: tuple[tuple[int, int], ...] = ((16, 16),),
    folders: tuple[str, str] = ("images", "masks"),
    value: int = 1,
    seed: int = 0,
) -> Path:
    """Write so many images and masks, whose squares have this value, below a folder; return it."""
    draw = np.random.default_rng(seed)
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        mask = np.zeros(sizes[number % len(sizes)], np.uint8)
        y, x = (int(draw.integers(0, side - 6)) for side in mask.shape)
        mask[y : y + 6, x : x + 6] = 1
        pixels = draw.integers(0, 40, mask.shape) + 120 * mask + 40
        Image.fromarray(pixels.astype(np.uint8)).save(root / folders[0] / f"{number}.png")
        Image.fromarray(mask * np.uint8(value)).save(root / folders[1] / f"{number}.png")
    return root
