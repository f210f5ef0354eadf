"""What labels are decides what logits mean: the probabilities that follow, and which answers are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from convworks.evaluate.several_predictions import THRESHOLD


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of a network: probabilities of classes from logits [b k], and which samples they are right for.

    `share` is what the share of right answers is called in metrics.
    """

    share: str
    probabilities: Callable[[Float[Tensor, "b k"]], Float[Tensor, "b k"]]
    right: Callable[[Float[Tensor, "b k"], Tensor], Bool[Tensor, "b"]]


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


ONE = Task(share="top1", probabilities=softmax, right=most_probable)
SEVERAL = Task(share="exact_match", probabilities=sigmoid, right=all_answers)


def task(several: bool) -> Task:
    """Return what is asked where images show one class, or any number of `several`."""
    return SEVERAL if several else ONE
