"""Sums that a device computes, read when they are there: at once from a processor, a step late from a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


def computes_ahead(device: torch.device) -> bool:
    """Say whether a device works on while the program goes on: to read from it is to wait for it."""
    return device.type == "cuda"


@dataclass(frozen=True)
class Reading:
    """The mean loss and the sum of scores [2] of a step of so many samples at a learning rate."""

    sums: Tensor
    samples: int
    rate: float


@dataclass(frozen=True)
class Read:
    """The same as numbers."""

    loss: float
    score: float
    samples: int


class Readings:
    """Readings in order; all but the last are given out, so that a GPU computes a step while one is read.

    `check` is told of each loss: what it stands for, the number, the learning rate.
    """

    def __init__(self, device: torch.device, check: Callable[[str, float, float], None]) -> None:
        self.late = computes_ahead(device)
        self.check = check
        self.waiting: deque[tuple[int, Reading, torch.cuda.Event | None]] = deque()

    def put(self, step: int, reading: Reading) -> None:
        """Take the sums of a step, and have them copied while the device works on."""
        copied = None
        if reading.sums.is_cuda:
            sums = torch.empty(2, dtype=reading.sums.dtype, pin_memory=True)
            sums.copy_(reading.sums, non_blocking=True)
            reading, copied = Reading(sums, reading.samples, reading.rate), torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        self.waiting.append((step, reading, copied))

    def due(self, *, all_of_them: bool = False) -> Iterator[Read]:
        """Give out those that are there, or `all_of_them`; what `check` raises ends it."""
        kept = 1 if self.late and not all_of_them else 0
        while len(self.waiting) > kept:
            step, reading, copied = self.waiting.popleft()
            if copied is not None:
                copied.synchronize()
            loss, score = reading.sums.tolist()
            self.check(f"the loss at step {step}", loss, reading.rate)
            yield Read(loss, score, reading.samples)
