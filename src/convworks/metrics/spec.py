"""Specifications of the metrics: their names, the format of their values, and which values are better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["fraction", "number", "error", "dB"]


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A metric: `name` is its key in results, `title` its name in text, `heading` its name in headings.

    `unit` is the format of values: a fraction of samples as percent, a number, an error, or a ratio in dB. `interval`
    is the method of its 95 % interval: Wilson's formula (for fractions of samples), or the bootstrap.
    """

    name: str
    title: str
    heading: str = ""
    unit: Unit = "fraction"
    better: Literal["higher", "lower"] = "higher"
    interval: Literal["formula", "bootstrap"] | None = "bootstrap"

    @property
    def sign(self) -> int:
        """1 if higher is better, else -1."""
        return 1 if self.better == "higher" else -1

    def write(self, value: float) -> str:
        """Format a value for people."""
        match self.unit:
            case "fraction":
                return f"{value:.2%}"
            case "dB":
                return f"{value:.2f} dB"
            case "error":
                return f"{value:.3g}"
            case _:
                return f"{value:.4f}"


LOSS = MetricSpec(name="loss", title="loss", unit="number", better="lower", interval=None)
TOP1 = MetricSpec(name="top1", title="accuracy", heading="Accuracy", interval="formula")
TOP5 = MetricSpec(name="top5", title="top-5 accuracy", heading="Top-5 accuracy", interval="formula")
BALANCED_ACCURACY = MetricSpec(name="balanced_accuracy", title="balanced accuracy", heading="Balanced accuracy")
MACRO_F1 = MetricSpec(name="macro_f1", title="macro F1", heading="Macro F1")
MICRO_F1 = MetricSpec(name="micro_f1", title="micro F1", heading="Micro F1")
AUC = MetricSpec(name="auc", title="ROC area", heading="ROC area (AUC)")
AVERAGE_PRECISION = MetricSpec(name="average_precision", title="average precision", heading="Average precision")
MAP = MetricSpec(name="map", title="mAP", heading="Mean average precision (mAP)")
EXACT_MATCH = MetricSpec(name="exact_match", title="exact match", heading="Exact match", interval="formula")
NLL = MetricSpec(name="nll", title="negative log-likelihood", heading="Log loss (nats)", unit="number", better="lower")
BCE = MetricSpec(
    name="bce", title="binary cross-entropy", heading="Log loss (nats per class)", unit="number", better="lower"
)
ECE = MetricSpec(name="ece", title="calibration error", heading="Calibration error", better="lower")
MSE = MetricSpec(
    name="mse", title="squared error", heading="Mean squared error", unit="error", better="lower", interval=None
)
CODE_MSE = MetricSpec(name="code_mse", title="squared error of the code", unit="error", better="lower", interval=None)
PSNR = MetricSpec(name="psnr", title="PSNR", unit="dB", interval=None)
MEAN_IOU = MetricSpec(name="mean_iou", title="mean IoU", heading="Mean IoU")
MEAN_DICE = MetricSpec(name="mean_dice", title="mean Dice", heading="Mean Dice")
PIXEL_ACCURACY = MetricSpec(name="pixel_accuracy", title="pixel accuracy", heading="Pixel accuracy")
BOUNDARY_F1 = MetricSpec(name="boundary_f1", title="boundary F1", heading="Boundary F1")
PIXEL_ERROR = MetricSpec(name="pixel_error", title="pixel error", heading="Pixel error", better="lower")
RAND_ERROR = MetricSpec(name="rand_error", title="Rand error", heading="Rand error", better="lower")

#: All metrics by name; tasks register their own (tasks/registry.py).
METRICS: dict[str, MetricSpec] = {}
#: The headline metrics, which summarise a result or epoch, one per task.
HEADLINES: list[str] = []
#: The metrics that are drawn over the epochs of a run.
DRAWN: list[str] = []


def register(metrics: Iterable[MetricSpec], *, headline: MetricSpec | None = None) -> None:
    """Register metrics by name; one of them may be a headline metric."""
    METRICS.update({metric.name: metric for metric in metrics})
    if headline is not None and headline.name not in HEADLINES:
        HEADLINES.append(headline.name)
        DRAWN.append(headline.name)


register([LOSS, TOP1, TOP5, BALANCED_ACCURACY, MICRO_F1, MACRO_F1, AUC, AVERAGE_PRECISION, NLL, ECE], headline=TOP1)
register([MAP, EXACT_MATCH, BCE], headline=MAP)
DRAWN.append(EXACT_MATCH.name)
register([MSE, CODE_MSE, PSNR], headline=PSNR)
register([MEAN_IOU, MEAN_DICE, PIXEL_ACCURACY, BOUNDARY_F1, PIXEL_ERROR, RAND_ERROR], headline=MEAN_IOU)


def spec(name: str) -> MetricSpec:
    """Return a metric by name; an unregistered one is a number, and higher is better."""
    return METRICS.get(name) or MetricSpec(name=name, title=name, unit="number", interval=None)


def headline(result: Mapping[str, Any], prefix: str = "") -> MetricSpec:
    """Return the headline metric of a result, or (with the prefix `validation_`) of an epoch.

    For an unknown task, that is the first number other than the loss. Raises StopIteration if there is none.
    """
    headlines = (name for name in HEADLINES if prefix + name in result)
    others = (
        name.removeprefix(prefix)
        for name, value in result.items()
        if name.startswith(prefix) and name not in (f"{prefix}loss", f"{prefix}n") and isinstance(value, float)
    )
    return spec(next(headlines, None) or next(others))


def headline_value(result: Mapping[str, Any], prefix: str = "") -> float:
    """Return the value of the headline metric of a result or an epoch; None in it stands for infinity."""
    value = result[prefix + headline(result, prefix).name]
    return math.inf if value is None else float(value)


def written_headline(result: Mapping[str, Any], prefix: str = "") -> str:
    """Format the headline metric of a result or an epoch."""
    return headline(result, prefix).write(headline_value(result, prefix))


def training_score(row: Mapping[str, Any]) -> MetricSpec:
    """Return the training metric of a row besides the loss."""
    names = (name.removeprefix("train_") for name in row if name.startswith("train_"))
    return spec(next(name for name in names if name != "loss"))
