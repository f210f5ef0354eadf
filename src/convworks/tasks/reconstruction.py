"""Reconstruction: the output is the input image, or the image before it was corrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from convworks.charts.reconstructions import Pictures
from convworks.data.source import Source
from convworks.data.targets.target import INPUTS
from convworks.errors import InputError
from convworks.losses.config import OwnLoss, PixelCrossEntropy, SquaredError
from convworks.metrics.spec import MSE, PSNR
from convworks.tasks.activations import IDENTITY
from convworks.tasks.answering import IMAGES
from convworks.tasks.length import stopped
from convworks.tasks.outcomes.reconstruction import Reconstructions, psnr
from convworks.tasks.task import Answered, SplitContext, Sums, Task, Words, check_best
from convworks.tasks.verdict import no_gain, overfitting_images

#: PSNR of perfect reconstructions, which is infinite, and not valid JSON.
HIGHEST = 200.0
#: How many images a report shows, and how many of the worst.
EXAMPLES, WORST = 20, 10


def squared_errors(images: Float[Tensor, "b *image"], originals: UInt8[Tensor, "b *image"]) -> Float[Tensor, "b"]:
    """Return the mean squared error of each image, of values in 0..1."""
    return (images.float() - originals.to(torch.float32) / 255).square().flatten(1).mean(1)


class ImageMeter:
    """Adds up squared errors."""

    def __init__(self, classes: int, samples: int) -> None:
        self.samples = samples
        self.error = torch.zeros((), dtype=torch.float64)

    def update(self, answered: Answered) -> None:
        """Add those of some samples."""
        outputs = answered.outputs
        self.error += squared_errors(outputs, answered.inputs.to(outputs.device)).cpu().double().sum()

    def reduce(self, world: Sums) -> dict[str, float]:
        """Return the mean squared error and its peak signal-to-noise ratio."""
        error = float(world.summed(self.error) / self.samples)
        return {"mse": error, "psnr": min(psnr(error), HIGHEST)}


class ImageCollector:
    """Measures each image, and keeps some as pictures: evenly spread ones, and the worst."""

    def __init__(self, task: Task, context: SplitContext) -> None:
        if not context.split.names:
            raise InputError(f"split {context.name!r}", "contains no images", "give a split with images")
        self.context = context
        self.errors: list[np.ndarray] = []
        self.before: list[np.ndarray] = []

    def update(self, answered: Answered) -> None:
        """Measure some images."""
        outputs, images = answered.outputs, answered.inputs
        self.errors.append(squared_errors(outputs, images).cpu().double().numpy())
        self.before.append(squared_errors(answered.read.to(images.device) / 255, images).cpu().double().numpy())

    def outcome(self, again: Callable[[Sequence[int]], Iterator[Answered]]) -> Reconstructions:
        """Return the outcome."""
        errors = np.concatenate(self.errors)
        spread = np.linspace(0, len(errors) - 1, min(EXAMPLES, len(errors))).astype(int)
        worst = np.argsort(-errors, kind="stable")[:WORST]

        def pictures(samples: np.ndarray) -> Pictures:
            pieces = list(again(samples.tolist()))
            columns = [[piece.inputs / 255 for piece in pieces], [piece.read / 255 for piece in pieces]]
            drawn = [to_bytes(torch.cat(column)) for column in (*columns, [piece.outputs for piece in pieces])]
            return Pictures(samples=tuple(samples.tolist()), images=drawn[0], read=drawn[1], outputs=drawn[2])

        return Reconstructions(
            split=self.context.name,
            names=tuple(self.context.split.names),
            errors=errors,
            read_errors=np.concatenate(self.before),
            corruption=self.context.corruption,
            examples=pictures(spread),
            worst=pictures(worst),
        )


def to_bytes(images: Float32[Tensor, "b c h w"]) -> UInt8[np.ndarray, "b h w c"]:
    """Return output images as bytes: rounded and clipped."""
    pixels: np.ndarray = (255 * images).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def adapt(task: Task, config: Any) -> Any:
    """Return a recipe with a loss between images, without mixing, progressive resizing and balanced sampling."""
    training = config.training
    loss = training.loss if isinstance(training.loss, task.losses) else SquaredError()
    best = training.best if training.best in task.measured else "loss"
    kept = training.model_copy(update={"loss": loss, "best": best, "sampling": "shuffled", "resolutions": ()})
    augment = config.augment.model_copy(update={"mixup": None, "cutmix": None})
    return config.model_copy(update={"training": kept, "augment": augment})


def check(task: Task, config: Any, source: Source) -> None:
    """Raise InputError for settings that need classes, or images of other sizes."""
    training, name = config.training, config.model.name
    if not isinstance(training.loss, task.losses):
        reason = f"{name} outputs images, but the loss {training.loss.kind} is for classes"
        raise InputError("training.loss", reason, "--set training.loss.kind=squared_error, or pixel_cross_entropy")
    check_best(task, config, "where the network makes images")
    if training.sampling == "balanced":
        raise InputError("training.sampling", f"balanced sampling needs classes, but {name} uses none", "leave it out")
    if training.resolutions:
        reason = f"are smaller than the images that {name} reconstructs"
        raise InputError("training.resolutions", reason, "leave them out")
    if config.precision == "bfloat16" and isinstance(training.loss, PixelCrossEntropy):
        reason = "bfloat16 has no values between 0.996 and 1, where the logarithm is steep"
        raise InputError("precision", reason, "--set precision=float32, or training.loss.kind=squared_error")


def fits(makes: str, source: Source) -> bool:
    """Return whether the network outputs images."""
    return makes == "images"


def what(classes: Sequence[str], result: Mapping[str, Any]) -> str:
    """Return what a model card calls the network, with the corruption of the images it was measured on."""
    corruption = result.get("corruption")
    without = f", without what corrupted them ({corruption})" if corruption else ""
    return f"An autoencoder that reconstructs images{without}"


def answers_of(classes: Sequence[str], size: Sequence[int]) -> list[str]:
    """Return what a model card says of the output."""
    return [f"An image of {'x'.join(map(str, size))} pixels."]


def result_of(result: Mapping[str, Any]) -> str:
    """Return the result in a line."""
    before = f", of {_ratio(result['psnr_read'])} that it read" if "psnr_read" in result else ""
    return f"PSNR {_ratio(result['psnr'])}{before}, mean squared error {result['mse']:.4g}"


def _ratio(value: float | None) -> str:
    return "infinite" if value is None else PSNR.write(value)


RECONSTRUCTION = Task(
    **vars(IMAGES),
    fits=fits,
    target=INPUTS,
    outputs=lambda classes, channels: channels,
    losses=(SquaredError, PixelCrossEntropy, OwnLoss),
    headline=PSNR,
    metrics=(MSE, PSNR),
    score=MSE,
    scored=squared_errors,
    activation=IDENTITY,
    meter=ImageMeter,
    collector=ImageCollector,
    words=Words(what=what, answers=answers_of, result=result_of, method="reconstruct", options=" --out reconstructed"),
    rules=(stopped, no_gain, overfitting_images),
    adapt=adapt,
    check=check,
    normalises=False,
)
