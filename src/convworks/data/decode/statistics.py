"""Exact mean and standard deviation of images, from integer sums."""

from __future__ import annotations

import math
from threading import Lock

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

ROWS = 256  # squares of 255 that float32, the fastest type, adds without rounding: 2^24 / 255^2
COLUMNS = 1 << 12  # values per row, such that the working set stays in the CPU cache


def mean_std(images: UInt8[Tensor, "n c h w"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the exact mean and standard deviation of each channel, of pixels in 0..1."""
    sums = Sums(channels=images.shape[1])
    step = max(1, ROWS * COLUMNS // max(1, images[:1].numel()))
    for first in range(0, len(images), step):
        sums.add(images[first : first + step].permute(0, 2, 3, 1).cpu().numpy())
    return sums.mean_std()


class Sums:
    """Running sums of the pixels of each channel and of their squares; images may be added from any thread."""

    def __init__(self, *, channels: int) -> None:
        self.count = 0
        self.total, self.squares = np.zeros(channels), np.zeros(channels)
        self.lock = Lock()

    def add(self, images: UInt8[np.ndarray, "n h w c"]) -> None:
        """Add a batch of images."""
        n, h, w, c = images.shape
        rows = images.reshape(n, -1) if h * w * c <= COLUMNS else images.reshape(n * h, w * c)
        total, squares = np.zeros(c), np.zeros(c)
        for first in range(0, len(rows), ROWS):
            values = torch.from_numpy(rows[first : first + ROWS]).float()  # faster than NumPy
            total += values.sum(0).numpy().reshape(-1, c).sum(0, dtype=np.float64)
            squares += values.square_().sum(0).numpy().reshape(-1, c).sum(0, dtype=np.float64)
        with self.lock:
            self.count += n * h * w
            self.total += total
            self.squares += squares

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel, of pixels in 0..1."""
        means, deviations = [], []
        for total, squares in zip(map(int, self.total), map(int, self.squares), strict=True):
            means.append(total / self.count / 255)
            # Integers until the square root: n * sum(x^2) - sum(x)^2 is exact.
            deviations.append(math.sqrt((self.count * squares - total**2) / self.count**2) / 255)
        return tuple(means), tuple(deviations)
