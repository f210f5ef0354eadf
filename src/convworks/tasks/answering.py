"""What a task says of one sample, in NumPy: all that an exported file needs of its task, without PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, Int, UInt8

from convworks.errors import InputError
from convworks.metrics.multi_label import THRESHOLD

#: From a path, an activated output, the classes and how many of them to list: what `predict` says of one sample.
Answer = Callable[[str | None, np.ndarray, Sequence[str], int], dict[str, Any]]
A = TypeVar("A", bound="Answering")


@dataclass(frozen=True, kw_only=True)
class Answering:
    """How a task answers.

    Attributes:
        name: the name in bundles and configurations.
        does: what such a network does, in messages: "names classes".
        answer: the prediction of a sample: (path, activated output, classes, maximum number of classes).
        picture: the output as a picture, if it is one; `predict` then writes files.
        mask: the activated output as a mask of numbers of classes, if it is one; `predict` gives it the image's size.
        thresholded: the same with another decision threshold; None where none decides.
        exact: whether values near 1 matter, so that precision `auto` is float32.
    """

    name: str
    does: str
    answer: Answer
    picture: Callable[[np.ndarray], UInt8[np.ndarray, "h w c"]] | None = None
    mask: Callable[[np.ndarray], UInt8[np.ndarray, "h w"]] | None = None
    thresholded: Callable[[float], Any] | None = None  # of the same kind
    exact: bool = False

    @property
    def files(self) -> str:
        """What an answer is that is a file of its own, not a row of a table: images, masks; else empty."""
        return "masks" if self.mask is not None else "images" if self.picture is not None else ""

    def at(self: A, threshold: float | None) -> A:
        """Return the same with another decision threshold (None: its own); InputError if it has none."""
        if threshold is None:
            return self
        if self.thresholded is None:
            reason = f"is for multi-label networks, but this one {self.does} without a threshold"
            raise InputError("--threshold", reason, "leave it out")
        if not 0 <= threshold <= 1:
            raise InputError("--threshold", f"is {threshold}, not a probability", "give a number from 0 to 1")
        changed: A = self.thresholded(threshold)
        return changed


def ranked(
    path: str | None, probabilities: Float32[np.ndarray, " k"], classes: Sequence[str], top: int
) -> dict[str, Any]:
    """Return the `top` classes of one sample with their probabilities, the most probable first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return {
        "path": path,
        "labels": [classes[index] for index in order],
        "probabilities": [float(probabilities[index]) for index in order],
    }


def decided(
    path: str | None,
    probabilities: Float32[np.ndarray, " k"],
    classes: Sequence[str],
    top: int,
    *,
    threshold: float = THRESHOLD,
) -> dict[str, Any]:
    """Return the `top` classes of one sample, and "predicted", those with a probability of at least `threshold`."""
    predicted = np.flatnonzero(probabilities >= threshold).tolist()
    return {**ranked(path, probabilities, classes, top), "predicted": [classes[index] for index in predicted]}


def picture(output: Float32[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "h w c"]:
    """Return an output image as bytes: rounded and clipped."""
    pixels: np.ndarray = np.rint(255 * output).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    return pixels


def pictured(
    path: str | None, output: Float32[np.ndarray, "c h w"], classes: Sequence[str], top: int
) -> dict[str, Any]:
    """Return the output image of one sample."""
    return {"path": path, "image": picture(output)}


def mask_of(probabilities: Float32[np.ndarray, "k h w"]) -> UInt8[np.ndarray, "h w"]:
    """Return the most probable class of each pixel; among equals the first."""
    mask: np.ndarray = probabilities.argmax(0).astype(np.uint8)
    return mask


def segmented(
    path: str | None, probabilities: Float32[np.ndarray, "k h w"], classes: Sequence[str], top: int
) -> dict[str, Any]:
    """Return the mask of one sample, and the fraction of its pixels that each of the `top` largest classes has."""
    mask = mask_of(probabilities)
    return {"path": path, "mask": mask, **areas(np.bincount(mask.ravel(), minlength=len(classes)), classes, top)}


def areas(pixels: Int[np.ndarray, " k"], classes: Sequence[str], top: int) -> dict[str, Any]:
    """Return the classes of a mask, the largest first, with the fraction of the pixels that each has."""
    fractions = pixels / pixels.sum()
    order = [int(number) for number in np.argsort(-fractions, kind="stable")[:top] if fractions[number]]
    return {"labels": [classes[number] for number in order], "areas": [float(fractions[number]) for number in order]}


ONE_CLASS = Answering(name="classification", does="names classes", answer=ranked)
ANY_CLASSES: Answering = Answering(
    name="multi_label",
    does="names classes",
    answer=decided,
    thresholded=lambda threshold: replace(ANY_CLASSES, answer=partial(decided, threshold=threshold)),
)
IMAGES = Answering(name="reconstruction", does="makes images", answer=pictured, picture=picture, exact=True)
PIXELS = Answering(name="segmentation", does="names the class of every pixel", answer=segmented, mask=mask_of)
ANSWERING = {each.name: each for each in (ONE_CLASS, ANY_CLASSES, IMAGES, PIXELS)}
