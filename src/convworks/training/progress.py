"""Where a run stands: everything that is not a tensor, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Totals:
    """Sums over the samples seen so far in an epoch."""

    loss: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0

    def add(self, loss: float, correct: int, seen: int) -> None:
        """Count a batch with its mean loss."""
        self.loss += loss * seen
        self.correct += correct
        self.seen += seen

    @property
    def mean_loss(self) -> float:
        """The mean loss of a sample."""
        return self.loss / max(self.seen, 1)

    @property
    def top1(self) -> float:
        """The share of samples classified correctly."""
        return self.correct / max(self.seen, 1)


@dataclass
class Progress:
    """Step, epoch and batch to be done next; the epoch's sums; the history of epochs; the best epoch so far.

    `curve` holds some hundred points of training over the whole run, `window` the sums since its last point.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    totals: Totals = field(default_factory=Totals)
    window: Totals = field(default_factory=Totals)
    history: list[dict[str, float | int]] = field(default_factory=list)
    curve: list[dict[str, float | int]] = field(default_factory=list)
    best_top1: float = -1.0
    best_loss: float = float("inf")
    best_epoch: int = -1
    best_step: int = -1

    def to_state(self) -> dict[str, Any]:
        """Return plain JSON values."""
        state = asdict(self)
        if self.best_epoch < 0:
            del state["best_loss"]  # infinite, which JSON cannot say
        return state

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Progress:
        """Rebuild what `to_state` gave."""
        return cls(**{**state, "totals": Totals(**state["totals"]), "window": Totals(**state["window"])})

    def end_step(self, loss: float, correct: int, seen: int, seconds: float) -> None:
        """Count a batch and the time it took."""
        for totals in (self.totals, self.window):
            totals.add(loss, correct, seen)
            totals.seconds += seconds
        self.seconds += seconds
        self.step += 1
        self.batch += 1

    def mark(self, rate: float, epoch: float) -> None:
        """Add a point to the curve of training, at so many epochs."""
        point = {"epoch": epoch, "step": self.step, "learning_rate": rate}
        self.curve.append({**point, "train_loss": self.window.mean_loss, "train_top1": self.window.top1})
        self.window = Totals()

    def end_epoch(self, validation: dict[str, float], rate: float) -> None:
        """Close the epoch: add its row to the history, remember the best, start the next."""
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.totals.seen / max(self.totals.seconds, 1e-9), 1),
            "learning_rate": rate,
            "train_loss": self.totals.mean_loss,
            "train_top1": self.totals.top1,
            **{f"validation_{name}": value for name, value in validation.items()},
        }
        self.history.append(row)
        better = (validation["top1"], -validation["loss"]) > (self.best_top1, -self.best_loss)
        if better:
            self.best_top1, self.best_loss = validation["top1"], validation["loss"]
            self.best_epoch, self.best_step = self.epoch, self.step
        self.batch, self.totals = 0, Totals()

    def waited(self) -> int:
        """Count the epochs since the best one."""
        return self.epoch - max(self.best_epoch, 0)
