"""Segmentation: the class of every pixel, from masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from convworks.data.column import IGNORED
from convworks.data.source import Source
from convworks.data.sources.ignoring import colours_of
from convworks.data.targets.masks import MASKS
from convworks.errors import InputError
from convworks.losses.config import BorderCrossEntropy, CrossEntropy, Dice, Focal, OwnLoss, SumLoss
from convworks.losses.functions import Loss
from convworks.losses.pixels import centred, pixel_loss
from convworks.metrics import segmentation as metrics
from convworks.metrics.spec import MEAN_DICE, MEAN_IOU, PIXEL_ACCURACY
from convworks.tasks.activations import MAP_SOFTMAX
from convworks.tasks.answering import PIXELS
from convworks.tasks.length import brief, stopped
from convworks.tasks.outcomes.segmentation import Example, Segmentations
from convworks.tasks.task import Answered, SplitContext, Sums, Task, Words, check_fit
from convworks.tasks.verdict import overfitting, underfitting

#: How many images a report shows of the worst, and of typical ones.
SHOWN = 6


def right_pixels(outputs: Float[Tensor, "b k y x"], targets: Int64[Tensor, "b h w"]) -> Float[Tensor, "b"]:
    """Return the fraction of the pixels of each image that are right; 0 where none counts."""
    compared = centred(targets, outputs)
    counted = compared != IGNORED
    matches = (outputs.argmax(1) == compared) & counted
    fractions: Tensor = matches.sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)
    return fractions


class PixelMeter:
    """Adds up a confusion matrix of pixels; exact for any batches and any number of processes."""

    def __init__(self, classes: int, samples: int) -> None:
        self.classes = classes
        self.matrix: Tensor | None = None

    def update(self, answered: Answered) -> None:
        """Count the pixels of some images."""
        assert answered.targets is not None
        targets, predicted = centred(answered.targets, answered.outputs), answered.outputs.argmax(1)
        counted = targets != IGNORED
        pairs = targets[counted] * self.classes + predicted[counted]
        matrix = torch.bincount(pairs, minlength=self.classes**2)
        self.matrix = matrix if self.matrix is None else self.matrix + matrix

    def reduce(self, world: Sums) -> dict[str, float]:
        """Return mean IoU, mean Dice and pixel accuracy; InputError if all pixels of the split are ignored."""
        matrix = torch.zeros(self.classes**2, dtype=torch.int64) if self.matrix is None else self.matrix
        totals = world.summed(matrix).cpu().numpy().round().astype(np.int64)
        if not totals.any():
            reason = "all pixels of its masks that the network scores are ignored"
            raise InputError("split 'validation'", reason, "correct the masks, or choose another split")
        pixels = metrics.overlap(totals.reshape(self.classes, self.classes))
        return {
            "mean_iou": float(metrics.mean(metrics.iou(pixels))),
            "mean_dice": float(metrics.mean(metrics.dice(pixels))),
            "pixel_accuracy": float(metrics.pixel_accuracy(pixels)),
        }


class MaskCollector:
    """Counts the pixels of each image, and keeps some as pictures: the worst, and typical ones."""

    def __init__(self, task: Task, context: SplitContext) -> None:
        if not context.split.names:
            raise InputError(f"split {context.name!r}", "contains no images", "give a split with images")
        self.context, self.classes = context, len(context.classes)
        self.matrix = np.zeros((self.classes, self.classes), dtype=np.int64)
        self.activate = task.activation.apply
        self.counts: list[np.ndarray] = []
        self.bins: list[np.ndarray] = []
        self.boundaries: list[float] = []
        self.regions: list[float] = []

    def update(self, answered: Answered) -> None:
        """Count those of some images."""
        confidence = self.activate(answered.outputs).amax(1).cpu().numpy()
        with ThreadPoolExecutor() as pool:
            for matrix, bins, boundary, region in pool.map(self._measured, *_masks(answered), confidence):
                self.matrix += matrix
                self.counts.append(np.stack(metrics.overlap(matrix)))
                self.bins.append(np.stack(bins))
                self.boundaries.append(boundary)
                self.regions.append(region)

    def _measured(
        self,
        target: UInt8[np.ndarray, "h w"],
        predicted: UInt8[np.ndarray, "h w"],
        confidence: Float[np.ndarray, "h w"],
    ) -> tuple[np.ndarray, metrics.Reliability, float, float]:
        region = metrics.rand_error(target, predicted) if self.classes == 2 else np.nan
        boundary = metrics.boundary_f1(target, predicted, self.classes)
        bins = metrics.reliability(target, predicted, confidence)
        return metrics.confusion(target, predicted, self.classes), bins, boundary, region

    def outcome(self, again: Callable[[Sequence[int]], Iterator[Answered]]) -> Segmentations:
        """Return the outcome; InputError if all pixels are ignored."""
        if not self.matrix.any():
            reason = "all pixels of its masks that the network scores are ignored"
            raise InputError(f"split {self.context.name!r}", reason, "correct the masks, or choose another split")
        matches, targets, predictions = np.stack(self.counts, axis=1)
        scores = metrics.mean(metrics.iou(metrics.Overlap(matches, targets, predictions)))
        order = [int(index) for index in np.argsort(scores, kind="stable") if not np.isnan(scores[index])]
        worst, middle = order[:SHOWN], max(0, len(order) // 2 - SHOWN // 2)
        typical = [index for index in order[middle : middle + SHOWN] if index not in worst]
        return Segmentations(
            split=self.context.name,
            names=tuple(self.context.split.names),
            classes=self.context.classes,
            matrix=self.matrix,
            matches=matches,
            targets=targets,
            predictions=predictions,
            bins=np.stack(self.bins),
            boundaries=np.array(self.boundaries, dtype=np.float64),
            regions=np.array(self.regions, dtype=np.float64),
            colours=self.context.colours or colours_of(self.context.split),
            worst=tuple(_examples(again(worst))),
            typical=tuple(_examples(again(typical))) if typical else (),
        )


def _masks(answered: Answered) -> tuple[UInt8[np.ndarray, "b h w"], UInt8[np.ndarray, "b h w"]]:
    """Return the masks of some samples, and the predicted ones."""
    assert answered.targets is not None
    pair = centred(answered.targets, answered.outputs), answered.outputs.argmax(1)
    target, predicted = (each.to(torch.uint8).cpu().numpy() for each in pair)
    return target, predicted


def _examples(pieces: Iterator[Answered]) -> Iterator[Example]:
    """Yield samples as pictures; of an image as much as is scored."""
    for piece in pieces:
        images = piece.inputs.permute(0, 2, 3, 1).cpu().numpy()
        for sample, image, target, predicted in zip(piece.indices.tolist(), images, *_masks(piece), strict=True):
            top, left = ((have - want) // 2 for have, want in zip(image.shape, target.shape, strict=False))
            part = image[top : top + target.shape[0], left : left + target.shape[1]]
            yield Example(sample=sample, image=np.ascontiguousarray(part), target=target, prediction=predicted)


def loss(config: Any, pixels: Int64[Tensor, " k"], own: Loss | None, samples: int) -> Loss:
    """Return the loss of a configuration over the pixels that the network scores."""
    return pixel_loss(config, pixels, own)


def check(task: Task, config: Any, source: Source) -> None:
    """Raise InputError for losses of other tasks, balanced sampling, and corruption."""
    check_fit(task, config, source)
    if config.training.sampling == "balanced":
        reason = "balanced sampling needs single labels, but images with masks show several classes"
        raise InputError("training.sampling", reason, "--set training.loss.class_weights=balanced weighs pixels")
    if config.data.corruption is not None:
        reason = f"is for autoencoders, but {config.model.name} is not one"
        raise InputError("data.corruption", reason, "choose an autoencoder: --model autoencoder_denoising")


def fits(makes: str, source: Source) -> bool:
    """Return whether the network outputs logits for each pixel."""
    return makes == "map of logits"


def what(classes: Sequence[str], result: Mapping[str, Any]) -> str:
    """Return what a model card calls the network."""
    return f"A network that segments images into {len(classes)} classes"


def answers_of(classes: Sequence[str], size: Sequence[int]) -> list[str]:
    """Return what a model card says of the output."""
    numbered = ", ".join(f"{number} {name}" for number, name in enumerate(classes[:100]))
    more = " ..." if len(classes) > 100 else ""
    return [
        f"A mask of the size of the image, with the number of the class of each pixel: {numbered}{more}.",
        "It knows no other classes: every pixel is assigned to one of these.",
    ]


def result_of(result: Mapping[str, Any]) -> str:
    """Return the result in a line."""
    ends = " to ".join(f"{end:.2%}" for end in result["intervals"].get("mean_iou", ()))
    line = f"mean IoU {result['mean_iou']:.2%}" + (f" (95 % interval {ends})" if ends else "")
    return f"{line}, pixel accuracy {result['pixel_accuracy']:.2%}"


SEGMENTATION = Task(
    **vars(PIXELS),
    fits=fits,
    target=MASKS,
    outputs=lambda classes, channels: len(classes),
    losses=(CrossEntropy, SumLoss, Dice, Focal, BorderCrossEntropy, OwnLoss),
    headline=MEAN_IOU,
    metrics=(MEAN_IOU, MEAN_DICE, PIXEL_ACCURACY),
    score=PIXEL_ACCURACY,
    scored=right_pixels,
    activation=MAP_SOFTMAX,
    meter=PixelMeter,
    collector=MaskCollector,
    graded=MEAN_IOU,
    words=Words(what=what, answers=answers_of, result=result_of, options=" --out masks"),
    rules=(stopped, brief(MEAN_IOU), overfitting(MEAN_IOU), underfitting(MEAN_IOU)),
    check=check,
    loss=loss,
)
