"""The state of a run that is not tensors, as plain values."""

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
    """Sums over the samples of an epoch so far."""

    loss: float = 0.0
    correct: float = 0.0
    seen: int = 0
    seconds: float = 0.0

    def add(self, loss: float, correct: float, seen: int) -> None:
        """Add a batch of `seen` samples by its mean loss and its sum of scores."""
        self.loss += loss * seen
        self.correct += correct
        self.seen += seen

    @property
    def mean_loss(self) -> float:
        """The mean loss over the samples."""
        return self.loss / max(self.seen, 1)

    @property
    def mean_score(self) -> float:
        """The fraction of correct samples (accuracy), or the mean of the task's other scores."""
        return self.correct / max(self.seen, 1)


@dataclass
class Progress:
    """The next step, epoch and batch; the sums of the current epoch; the history of epochs.

    `score` is the name of the training score in history and curve (top1, exact_match, mse). `curve` holds about a
    hundred training points over the whole run, `window` the sums since the last of them. `statistics` are the lines of
    statistics.jsonl so far: texts, as checkpoints copy and write them quickly.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    totals: Totals = field(default_factory=Totals)
    window: Totals = field(default_factory=Totals)
    history: list[Row] = field(default_factory=list)
    curve: list[Row] = field(default_factory=list)
    statistics: list[str] = field(default_factory=list)
    score: str = "top1"

    def __post_init__(self) -> None:
        """Start with no pending readings."""
        self.readings = Readings(torch.device("cpu"), lambda what, loss, rate: None)

    def to_state(self) -> dict[str, Any]:
        """Return plain JSON values, including all steps so far."""
        self.settle()
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Progress:
        """Restore the output of `to_state`; raises KeyError, TypeError or ValueError for an invalid state."""
        earlier = {"score": state["share"]} if "share" in state else {}  # its name in checkpoints of version 0.1
        progress: Progress = TypeAdapter(cls).validate_python(state | earlier)
        if progress.epoch != len(progress.history):
            raise ValueError(f"epoch {progress.epoch} after {len(progress.history)} rows of history")
        return progress

    def end_step(self, reading: Reading, seconds: float) -> None:
        """Count a step and the time it took; its sums are added when the device has computed them."""
        for totals in (self.totals, self.window):
            totals.seconds += seconds
        self.readings.put(self.step, reading)
        self.settle(all_of_them=False)
        self.seconds += seconds
        self.step += 1
        self.batch += 1

    def settle(self, *, all_of_them: bool = True) -> None:
        """Add the sums of the steps that are available, or of all; RunError for a non-finite loss."""
        for read in self.readings.due(all_of_them=all_of_them):
            for totals in (self.totals, self.window):
                totals.add(read.loss, read.score, read.samples)

    def mark(self, rate: float, epoch: float) -> None:
        """Add a point to the training curve, at a fractional number of epochs."""
        self.settle()
        point = {"epoch": epoch, "step": self.step, "learning_rate": rate}
        self.curve.append({**point, "train_loss": self.window.mean_loss, f"train_{self.score}": self.window.mean_score})
        self.window = Totals()

    def end_epoch(self, validation: dict[str, float], rate: float) -> None:
        """End the epoch: add its row to the history and reset the sums."""
        self.settle()
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.totals.seen / max(self.totals.seconds, 1e-9), 1),
            "learning_rate": rate,
            "train_loss": self.totals.mean_loss,
            f"train_{self.score}": self.totals.mean_score,
            **{f"validation_{name}": value for name, value in validation.items()},
        }
        self.history.append(row)
        self.batch, self.totals = 0, Totals()

    def scores(self, metric: str) -> list[float]:
        """Return a validation metric after each epoch, signed so that higher is better."""
        sign = spec(metric).sign
        return [sign * row[f"validation_{metric}"] for row in self.history]

    def ranked(self, metric: str) -> list[Row]:
        """Return the epochs, best first; ties are broken by the lower loss, then by the earlier epoch."""
        keys = zip(self.scores(metric), self.scores("loss"), strict=True)
        return [row for _, row in sorted(zip(keys, self.history, strict=True), key=lambda pair: pair[0], reverse=True)]

    def waited(self, metric: str) -> int:
        """Return the number of epochs since the best one."""
        return self.epoch - int(self.ranked(metric)[0]["epoch"]) if self.history else 0
