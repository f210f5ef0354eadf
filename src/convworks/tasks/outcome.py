"""Outcomes: the predictions of a network for a split, whatever the task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from convworks.metrics.label_errors import LabelErrors
from convworks.pages.blocks import Section
from convworks.tasks.shown import ErrorWords, Page, Shown


@runtime_checkable
class Outcome(Protocol):
    """The predictions for a split, with their metrics, CSV file and part of a page."""

    @property
    def split(self) -> str:
        """The name of the split."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its samples."""

    def summary(self) -> dict[str, Any]:
        """Return all metrics as plain numbers, with the number of samples `n` and the 95 % intervals."""

    def write_csv(self, path: Path) -> None:
        """Write one row a sample."""

    def show(self, page: Page) -> Shown:
        """Return what a report shows, and write its pictures."""


@runtime_checkable
class Combined(Outcome, Protocol):
    """An outcome that several networks can have together, as those of an experiment."""

    def overview(self, note: str) -> Section:
        """Return the section that the page of an experiment shows."""


@runtime_checkable
class Joined(Combined, Protocol):
    """An outcome that can be joined with those of other samples, as those of the folds of a cross-validation."""

    def joined(self, others: Sequence[Any], split: str, order: Int64[np.ndarray, " n"]) -> Any:
        """Return this and others as the outcome of one split: of all samples, taken in an order."""


@runtime_checkable
class Pooled(Combined, Protocol):
    """An outcome that is made of the activated outputs of all samples: it can be averaged, and pooled over folds."""

    @property
    def values(self) -> np.ndarray:
        """The activated outputs [n *output]."""

    def with_values(self, values: np.ndarray) -> Any:
        """Return the same for other outputs."""


@runtime_checkable
class Graded(Outcome, Protocol):
    """An outcome with a score of each sample, higher is better, by which networks are compared."""

    @property
    def scores(self) -> np.ndarray:
        """The score of each sample [n], nan where it has none."""


@runtime_checkable
class Judged(Pooled, Protocol):
    """An outcome in which every sample is right or wrong: it can be compared, sliced, and its errors looked at."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def correct(self) -> np.ndarray:
        """Whether each sample is right [n]."""

    @property
    def confidence(self) -> np.ndarray:
        """The probability of each answer [n], nan where an answer has none."""

    def worst(self, limit: int) -> list[int]:
        """Return the samples that are wrong, the highest loss first, at most `limit`."""

    def true_name(self, sample: int) -> str:
        """Return what a sample shows, in words."""

    def predicted_name(self, sample: int) -> str:
        """Return what the network says of it, in words."""

    def error(self, sample: int) -> ErrorWords:
        """Return a mistake in words."""

    @property
    def sure_of_another(self) -> LabelErrors | None:
        """The samples that are perhaps mislabelled, where that can be known."""
