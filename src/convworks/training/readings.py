"""Losses and scores read from the device: at once from a CPU, one step late from a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


def computes_ahead(device: torch.device) -> bool:
    """Return whether a device computes asynchronously, so that reading from it synchronises."""
    return device.type == "cuda"


@dataclass(frozen=True)
class Reading:
    """The mean loss and the sum of scores [2] of a step, with its number of samples and its learning rate."""

    sums: Tensor
    samples: int
    rate: float


@dataclass(frozen=True)
class Read:
    """A reading as plain numbers."""

    loss: float
    score: float
    samples: int


class Readings:
    """A queue of readings; on a GPU the last stays in it, so that a step is computed while the one before is read.

    `check` is called with each loss: a description, its value and the learning rate.
    """

    def __init__(self, device: torch.device, check: Callable[[str, float, float], None]) -> None:
        self.late = computes_ahead(device)
        self.check = check
        self.waiting: deque[tuple[int, Reading, torch.cuda.Event | None]] = deque()

    def put(self, step: int, reading: Reading) -> None:
        """Add the sums of a step; from a GPU they are copied asynchronously."""
        copied = None
        if reading.sums.is_cuda:
            sums = torch.empty(2, dtype=reading.sums.dtype, pin_memory=True)
            sums.copy_(reading.sums, non_blocking=True)
            reading, copied = Reading(sums, reading.samples, reading.rate), torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record(torch.cuda.current_stream(reading.sums.device))
        self.waiting.append((step, reading, copied))

    def due(self, *, all_of_them: bool = False) -> Iterator[Read]:
        """Yield the readings that are available, or all; exceptions of `check` propagate."""
        pending = 1 if self.late and not all_of_them else 0
        while len(self.waiting) > pending:
            step, reading, copied = self.waiting.popleft()
            if copied is not None:
                copied.synchronize()
            loss, score = reading.sums.tolist()
            self.check(f"the loss at step {step}", loss, reading.rate)
            yield Read(loss, score, reading.samples)
