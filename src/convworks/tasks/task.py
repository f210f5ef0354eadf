"""What is asked for decides what a network's answers mean: probabilities and right answers, or images and errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from convworks.tasks.multi_label import THRESHOLD


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of a network: probabilities of classes from logits [b k], or images, which stay as they are.

    `score` says of each sample whether its answer is right, or how far an image is from the one asked for; `share` is
    what the mean of that is called in metrics.
    """

    share: str
    probabilities: Callable[[Float[Tensor, "b *k"]], Float[Tensor, "b *k"]]
    score: Callable[[Float[Tensor, "b *k"], Tensor], Bool[Tensor, "b"] | Float[Tensor, "b"]]


def softmax(logits: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """Return the probability of each class, one of which it is."""
    return logits.softmax(1)


def sigmoid(logits: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """Return the probability of each class by itself."""
    return logits.sigmoid()


def most_probable(logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"]) -> Bool[Tensor, "b"]:
    """Say whether the most probable class is the label."""
    return logits.argmax(1) == labels


def all_answers(logits: Float[Tensor, "b k"], labels: Float32[Tensor, "b k"]) -> Bool[Tensor, "b"]:
    """Say whether the classes of at least THRESHOLD are those that the image shows, all of them and no other."""
    return ((logits.float().sigmoid() >= THRESHOLD) == (labels >= 0.5)).all(1)


def itself(made: Float[Tensor, "b *image"]) -> Float[Tensor, "b *image"]:
    """Return what was made."""
    return made


def squared_errors(made: Float[Tensor, "b *image"], images: UInt8[Tensor, "b *image"]) -> Float[Tensor, "b"]:
    """Return the mean squared error of each image, of values in 0..1."""
    return (made.float() - images.to(torch.float32) / 255).square().flatten(1).mean(1)


ONE = Task(share="top1", probabilities=softmax, score=most_probable)
SEVERAL = Task(share="exact_match", probabilities=sigmoid, score=all_answers)
IMAGES = Task(share="mse", probabilities=itself, score=squared_errors)


def task(several: bool) -> Task:
    """Return what is asked where images show one class, or any number of `several`."""
    return SEVERAL if several else ONE
