"""Outcomes made from the activated outputs of all samples, if these are small enough to be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from convworks.tasks.outcome import Outcome
from convworks.tasks.sections import plain
from convworks.tasks.task import Answered, SplitContext, Task


class Kept:
    """Keeps the activated outputs of a split."""

    def __init__(self, task: Task, context: SplitContext) -> None:
        self.task, self.context = task, context
        self.parts: list[Tensor] = []

    def update(self, answered: Answered) -> None:
        """Keep those of some samples."""
        self.parts.append(self.task.activation.apply(answered.outputs).cpu())

    def values(self) -> Float32[np.ndarray, "n *k"]:
        """Return those of all samples."""
        return torch.cat(self.parts).numpy()

    def outcome(self, again: Callable[[Sequence[int]], Iterator[Answered]]) -> Outcome:
        """Return the outcome."""
        assert self.task.outcome is not None
        return self.task.outcome(self.context, self.values())


@dataclass(frozen=True, kw_only=True)
class KeptValues:
    """An outcome that is the activated outputs with the targets; `summary` and `write_csv` are for tasks to add."""

    split: str
    names: tuple[str, ...]
    targets: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, context: SplitContext, values: np.ndarray) -> Any:
        """Return the outcome of a split."""
        return cls(split=context.name, names=context.split.names, targets=context.split.labels, values=values)

    def with_values(self, values: np.ndarray) -> Any:
        """Return the same for other outputs."""
        return replace(self, values=values)

    show, overview = plain.show, plain.overview
