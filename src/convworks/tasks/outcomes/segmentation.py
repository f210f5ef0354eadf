"""Predicted masks of the images of a split: what was counted of them, and some of them as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from convworks.csv_files import write_csv
from convworks.data.column import Colours
from convworks.metrics import segmentation as metrics
from convworks.metrics.bootstrap import Counts, Interval, Values, bootstrap
from convworks.metrics.classification import Calibration, calibration_of
from convworks.metrics.segmentation import Overlap, Reliability
from convworks.metrics.weighted import means
from convworks.pages.blocks import Section
from convworks.tasks.outcomes.intervals import resamples, within
from convworks.tasks.sections import segmentation as sections
from convworks.tasks.shown import Page, Shown

#: Why a metric is None.
ABSENT = "not defined: no pixel is of this class, nor predicted so"
NO_BOUNDARY = "not defined: no image has a boundary between classes"
NO_REGION = "not defined: no image has a pixel of the second class"


@dataclass(frozen=True, kw_only=True)
class Example:
    """A sample as a picture: its image, its mask, and the predicted one."""

    sample: int
    image: UInt8[np.ndarray, "h w c"]
    target: UInt8[np.ndarray, "h w"]
    prediction: UInt8[np.ndarray, "h w"]


@dataclass(frozen=True, kw_only=True)
class Segmentations:
    """What was counted of the masks of n images over k classes.

    `matrix` counts all pixels by true class (row) and predicted class; `matches`, `targets` and `predictions` count
    those of each image: right ones, those of its mask, those of its prediction. `bins` divides the pixels of each image
    by their confidence (metrics/segmentation.py `Reliability`). `boundaries` and, for two classes, `regions` are
    boundary F1 and Rand error of each image, nan where undefined. `worst` and `typical` are examples: the lowest mean
    IoU first, and those around the median. `colours` are those of the classes, where a table gave them.
    """

    split: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    matrix: Int64[np.ndarray, "k k"]
    matches: Int64[np.ndarray, "n k"]
    targets: Int64[np.ndarray, "n k"]
    predictions: Int64[np.ndarray, "n k"]
    bins: Float64[np.ndarray, "n 3 b"]
    boundaries: Float64[np.ndarray, " n"]
    regions: Float64[np.ndarray, " n"]
    worst: tuple[Example, ...] = ()
    typical: tuple[Example, ...] = ()
    colours: Colours | None = None

    @property
    def pixels(self) -> Overlap:
        """The pixels of each class over all images."""
        return metrics.overlap(self.matrix)

    @property
    def each(self) -> Overlap:
        """The pixels of each class of each image."""
        return Overlap(self.matches, self.targets, self.predictions)

    @property
    def reliability(self) -> Reliability:
        """The pixels of all images by their confidence."""
        return Reliability(*self.bins.sum(0))

    @property
    def calibration(self) -> Calibration:
        """How reliable the probabilities of pixels are."""
        pixels, confidence, matches = self.reliability
        return calibration_of(pixels.astype(np.int64), confidence, matches)

    @cached_property
    def scores(self) -> Float64[np.ndarray, " n"]:
        """The mean IoU of each image, over the classes that it or its prediction has; nan without counted pixels."""
        return metrics.mean(metrics.iou(self.each))

    @property
    def binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.classes) == 2

    def summary(self) -> dict[str, Any]:
        """Return all metrics as plain numbers, with the number of images `n` and the 95 % intervals over images.

        `classes` holds IoU, Dice, their intervals and the pixels of each class, None where it is absent; `counted` is
        the number of classes that are not. Means are over these. `undefined` says why a metric is None.
        """
        measured = {
            **_means(self.pixels, binary=self.binary),
            "boundary_f1": float(metrics.mean(self.boundaries)),
            **({"rand_error": float(metrics.mean(self.regions))} if self.binary else {}),
            "ece": float(metrics.calibration_error(self.reliability)),
        }
        iou, dice = metrics.iou(self.pixels), metrics.dice(self.pixels)
        reasons = {"boundary_f1": NO_BOUNDARY, "rand_error": NO_REGION}
        undefined = {name: reasons[name] for name in reasons if math.isnan(measured.get(name, 0.0))}
        ends = self.intervals
        classes = {
            name: {
                "iou": _known(iou[number]),
                "iou_interval": _pair(ends.get(f"iou:{number}")),
                "dice": _known(dice[number]),
                "pixels": int(self.pixels.targets[number]),
                **({"undefined": ABSENT} if math.isnan(iou[number]) else {}),
            }
            for number, name in enumerate(self.classes)
        }
        return {
            **{name: _known(value) for name, value in measured.items()},
            "n": len(self.names),
            "counted": int((~np.isnan(iou)).sum()),
            "classes": classes,
            "intervals": {name: list(pair) for name, pair in ends.items() if ":" not in name},
            **({"undefined": undefined} if undefined else {}),
        }

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The 95 % interval of each metric, and of the IoU of each class as iou:NUMBER; images are drawn again."""
        columns = np.concatenate(self.each, axis=1).astype(np.float64)
        bins = self.bins.reshape(len(self.names), -1)
        k = len(self.classes)

        def measure(counts: Counts) -> dict[str, Values]:
            drawn = Overlap(*np.split(counts @ columns, 3, axis=1))
            each = metrics.iou(drawn)
            return {
                **_means(drawn, binary=self.binary),
                "boundary_f1": _drawn_means(counts, self.boundaries),
                **({"rand_error": _drawn_means(counts, self.regions)} if self.binary else {}),
                "ece": metrics.calibration_error(Reliability(*np.split(counts @ bins, 3, axis=1))),
                **{f"iou:{number}": each[:, number] for number in range(k)},
            }

        ends = bootstrap(measure, len(self.names), resamples=resamples(len(self.names), k))
        named = {name: pair for name, pair in ends.items() if ":" not in name}
        classes = {name: (max(0.0, pair[0]), min(1.0, pair[1])) for name, pair in ends.items() if ":" in name and pair}
        return {**within(named), **classes}

    def write_csv(self, path: Path) -> None:
        """Write path, mean IoU, pixel accuracy, boundary F1, and the IoU of each class; one row an image."""
        each, accuracy = metrics.iou(self.each), metrics.pixel_accuracy(self.each)
        header = ["path", "mean_iou", "pixel_accuracy", "boundary_f1", *(f"iou:{name}" for name in self.classes)]
        columns = [self.names, *map(_cells, (self.scores, accuracy, self.boundaries, *each.T))]
        write_csv(path, header, zip(*columns, strict=True))

    def show(self, page: Page) -> Shown:
        """Return what a report shows."""
        return sections.show(self, page)

    def overview(self, note: str) -> Section:
        """Return the section of an experiment's page."""
        return sections.overview(self, note)

    def joined(self, others: Sequence[Segmentations], split: str, order: Int64[np.ndarray, " n"]) -> Segmentations:
        """Return this and the outcomes of other images as one, of all images in an order; without examples."""
        parts = (self, *others)

        def column(name: str) -> Any:
            return np.concatenate([getattr(part, name) for part in parts])[order]

        names = [name for part in parts for name in part.names]
        columns = ("matches", "targets", "predictions", "bins", "boundaries", "regions")
        return Segmentations(
            split=split,
            names=tuple([names[index] for index in order.tolist()]),
            classes=self.classes,
            matrix=np.sum([part.matrix for part in parts], axis=0),
            colours=self.colours,
            **{name: column(name) for name in columns},
        )


def _means(pixels: Overlap, *, binary: bool) -> dict[str, Any]:
    """Return the metrics that are made of counts of pixels."""
    accuracy = metrics.pixel_accuracy(pixels)
    return {
        "mean_iou": metrics.mean(metrics.iou(pixels)),
        "mean_dice": metrics.mean(metrics.dice(pixels)),
        "pixel_accuracy": accuracy,
        **({"pixel_error": 1 - accuracy} if binary else {}),
    }


def _drawn_means(counts: Counts, values: Float64[np.ndarray, " n"]) -> Values:
    """Return the mean over the images of every resample for which the value is defined."""
    known = ~np.isnan(values)
    drawn = counts[:, known]
    enough = drawn.sum(1) > 0
    result = np.full(len(counts), np.nan)
    if enough.any():
        result[enough] = means(drawn[enough], values[known])
    return result


def _known(value: float | np.floating[Any] | np.ndarray) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


def _pair(ends: Interval | None) -> list[float] | None:
    return None if ends is None else list(ends)


def _cells(values: Float64[np.ndarray, " n"]) -> list[str]:
    return ["" if math.isnan(value) else f"{value:.6g}" for value in values.tolist()]
