"""Where a run stands: everything that is not a tensor, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from pydantic import TypeAdapter

from convworks.metrics.spec import spec
from convworks.training.readings import Reading, Readings

Row = dict[str, float | int]


@dataclass
class Totals:
    """Sums over the samples seen so far in an epoch."""

    loss: float = 0.0
    correct: float = 0.0
    seen: int = 0
    seconds: float = 0.0

    def add(self, loss: float, correct: float, seen: int) -> None:
        """Count a batch with its mean loss and its sum of scores."""
        self.loss += loss * seen
        self.correct += correct
        self.seen += seen

    @property
    def mean_loss(self) -> float:
        """The mean loss of a sample."""
        return self.loss / max(self.seen, 1)

    @property
    def share(self) -> float:
        """The share of samples that were answered correctly, or the mean of other scores."""
        return self.correct / max(self.seen, 1)


@dataclass
class Progress:
    """Step, epoch and batch to be done next; the epoch's sums; the history of epochs.

    `share` is what the mean of scores is called in history and curve (top1, exact_match, mse). `curve` holds some
    hundred points of training over the whole run, `window` the sums since its last point.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    totals: Totals = field(default_factory=Totals)
    window: Totals = field(default_factory=Totals)
    history: list[Row] = field(default_factory=list)
    curve: list[Row] = field(default_factory=list)
    share: str = "top1"

    def __post_init__(self) -> None:
        """Begin without any step whose sums are still to be read."""
        self.readings = Readings(torch.device("cpu"), lambda what, loss, rate: None)

    def to_state(self) -> dict[str, Any]:
        """Return plain JSON values, of all steps so far."""
        self.settle()
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Progress:
        """Rebuild what `to_state` gave; KeyError, TypeError or ValueError where it cannot be that."""
        progress: Progress = TypeAdapter(cls).validate_python(state)
        if progress.epoch != len(progress.history):
            raise ValueError(f"epoch {progress.epoch} after {len(progress.history)} rows of history")
        return progress

    def end_step(self, reading: Reading, seconds: float) -> None:
        """Count a batch and the time it took; its sums when they are there."""
        for totals in (self.totals, self.window):
            totals.seconds += seconds
        self.readings.put(self.step, reading)
        self.settle(all_of_them=False)
        self.seconds += seconds
        self.step += 1
        self.batch += 1

    def settle(self, *, all_of_them: bool = True) -> None:
        """Count what has been read of the steps so far; RunError for a loss that is no number."""
        for read in self.readings.due(all_of_them=all_of_them):
            for totals in (self.totals, self.window):
                totals.add(read.loss, read.score, read.samples)

    def mark(self, rate: float, epoch: float) -> None:
        """Add a point to the curve of training, at so many epochs."""
        self.settle()
        point = {"epoch": epoch, "step": self.step, "learning_rate": rate}
        self.curve.append({**point, "train_loss": self.window.mean_loss, f"train_{self.share}": self.window.share})
        self.window = Totals()

    def end_epoch(self, validation: dict[str, float], rate: float) -> None:
        """Close the epoch: add its row to the history, remember the best, start the next."""
        self.settle()
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.totals.seen / max(self.totals.seconds, 1e-9), 1),
            "learning_rate": rate,
            "train_loss": self.totals.mean_loss,
            f"train_{self.share}": self.totals.share,
            **{f"validation_{name}": value for name, value in validation.items()},
        }
        self.history.append(row)
        self.batch, self.totals = 0, Totals()

    def scores(self, metric: str) -> list[float]:
        """Return a metric on validation after each epoch, signed so that more is better."""
        sign = spec(metric).sign
        return [sign * row[f"validation_{metric}"] for row in self.history]

    def ranked(self, metric: str) -> list[Row]:
        """Return the epochs from the best on: of equals the one with the lower loss, then the earlier."""
        keys = zip(self.scores(metric), self.scores("loss"), strict=True)
        return [row for _, row in sorted(zip(keys, self.history, strict=True), key=lambda pair: pair[0], reverse=True)]

    def waited(self, metric: str) -> int:
        """Count the epochs since the best one."""
        return self.epoch - int(self.ranked(metric)[0]["epoch"]) if self.history else 0
