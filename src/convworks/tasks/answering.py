"""What a task says of one sample, in NumPy: all that an exported file needs of its task, without PyTorch."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image

from convworks.data.column import Colours
from convworks.data.inspect.overlay import as_png
from convworks.errors import InputError
from convworks.metrics.multi_label import THRESHOLD

#: From a path, an activated output, the classes and how many of them to list: what `predict` says of one sample. Of an
#: answer for each pixel, the output is the picture already.
Answer = Callable[[str | None, np.ndarray, Sequence[str], int], dict[str, Any]]
A = TypeVar("A", bound="Answering")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """How an output becomes a picture: a file of its own, not a row of a table.

    Attributes:
        name: what it is, and its key in answers: "mask".
        make: from an activated output to pixels.
        draw: from pixels to the image that is saved as PNG.
        per_pixel: whether it says something of each pixel of the image that was read, and has the size of that image.
    """

    name: str
    make: Callable[[np.ndarray], UInt8[np.ndarray, "h w *c"]]
    draw: Callable[[UInt8[np.ndarray, "h w *c"]], Image.Image]
    per_pixel: bool = False

    def png(self, pixels: UInt8[np.ndarray, "h w *c"]) -> bytes:
        """Return pixels as a PNG file."""
        file = io.BytesIO()
        self.draw(pixels).save(file, "PNG")
        return file.getvalue()

    def shape(self, pixels: UInt8[np.ndarray, "h w *c"]) -> list[int]:
        """Return the shape of a batch of such pictures, with -1 for what differs between batches."""
        return [-1, *([-1] * pixels.ndim if self.per_pixel else pixels.shape)]


@dataclass(frozen=True, kw_only=True)
class Answering:
    """How a task answers.

    Attributes:
        name: the name in bundles and configurations.
        does: what such a network does, in messages: "names classes".
        answer: the prediction of a sample: (path, activated output, classes, maximum number of classes).
        picture: how the output becomes a picture, if it is one; `predict` then writes files.
        thresholded: the same with another decision threshold; None where none decides.
        exact: whether values near 1 matter, so that precision `auto` is float32.
        listed: how many classes an answer lists by default; None lists all that occur.
    """

    name: str
    does: str
    answer: Answer
    picture: Picture | None = None
    thresholded: Callable[[float], Any] | None = None  # of the same kind
    exact: bool = False
    listed: int | None = 5

    @property
    def files(self) -> str:
        """What an answer is that is a file of its own, not a row of a table: images, masks; else empty."""
        return "" if self.picture is None else f"{self.picture.name}s"

    @property
    def per_pixel(self) -> bool:
        """Whether the answer is a picture with the size of the image that was read."""
        return self.picture is not None and self.picture.per_pixel

    @property
    def combines(self) -> bool:
        """Whether answers of several networks are averaged: not those that are images of their own."""
        return self.picture is None or self.per_pixel

    def painted(self: A, colours: Colours | None) -> A:
        """Return the same with the colours of its classes, in which masks are shown; None for those that are chosen."""
        if colours is None or self.picture is None or not self.per_pixel:
            return self
        return replace(self, picture=replace(self.picture, draw=_painter(colours)))

    def top(self, top: int | None, classes: Sequence[str]) -> int:
        """Return how many classes are listed (None: the default of the task); InputError for fewer than one."""
        if top is None:
            return len(classes) if self.listed is None else self.listed
        if top < 1:
            raise InputError("top", f"is {top}, but must be at least 1", "give 1 or more")
        return top

    def answering(
        self, classes: Sequence[str], top: int | None, threshold: float | None
    ) -> Callable[[str | None, np.ndarray], dict[str, Any]]:
        """Return the function from the name of a sample and its activated output to its prediction."""
        task, listed = self.at(threshold), self.top(top, classes)
        return lambda path, output: task.answer(path, output, classes, listed)

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


def image_of(output: Float32[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "h w c"]:
    """Return an output image as bytes: rounded and clipped."""
    pixels: np.ndarray = np.rint(255 * output).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    return pixels


def drawn(pixels: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """Return pixels, grey or in colours, as an image."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))


def pictured(
    path: str | None, output: Float32[np.ndarray, "c h w"], classes: Sequence[str], top: int
) -> dict[str, Any]:
    """Return the output image of one sample."""
    return {"path": path, "image": image_of(output)}


def as_it_is(mask: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Return a mask."""
    return mask


def segmented(path: str | None, mask: UInt8[np.ndarray, "h w"], classes: Sequence[str], top: int) -> dict[str, Any]:
    """Return the mask of one sample, and the fraction of its pixels that each of the `top` largest classes has.

    The scores of all classes at all pixels of a photograph would fill the memory: a mask is what they are read as, some
    rows at a time (inference/strips.py).
    """
    return {"path": path, "mask": mask, **areas(np.bincount(mask.ravel(), minlength=len(classes)), classes, top)}


def areas(pixels: Int[np.ndarray, " k"], classes: Sequence[str], top: int) -> dict[str, Any]:
    """Return the classes of a mask, the largest first, with the fraction of the pixels that each has."""
    fractions = pixels / pixels.sum()
    order = [int(number) for number in np.argsort(-fractions, kind="stable")[:top] if fractions[number]]
    return {"labels": [classes[number] for number in order], "areas": [float(fractions[number]) for number in order]}


@cache  # so that tasks of equal colours are equal
def _painter(colours: Colours) -> Callable[[UInt8[np.ndarray, "h w *c"]], Image.Image]:
    return partial(as_png, own=colours)


ONE_CLASS = Answering(name="classification", does="names classes", answer=ranked)
ANY_CLASSES: Answering = Answering(
    name="multi_label",
    does="names classes",
    answer=decided,
    thresholded=lambda threshold: replace(ANY_CLASSES, answer=partial(decided, threshold=threshold)),
)
IMAGES = Answering(
    name="reconstruction",
    does="makes images",
    answer=pictured,
    picture=Picture(name="image", make=image_of, draw=drawn),
    exact=True,
)
PIXELS = Answering(
    name="segmentation",
    does="names the class of every pixel",
    answer=segmented,
    picture=Picture(name="mask", make=as_it_is, draw=as_png, per_pixel=True),
    listed=None,
)
ANSWERING = {each.name: each for each in (ONE_CLASS, ANY_CLASSES, IMAGES, PIXELS)}
