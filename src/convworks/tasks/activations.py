"""From raw outputs to probabilities, and the combination of networks in an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from convworks.metrics.classification import SMALLEST
from convworks.metrics.multi_label import THRESHOLD

#: The relative error up to which two outputs without classes agree.
CLOSE = 0.01


@dataclass(frozen=True, kw_only=True)
class Activation:
    """What makes probabilities (or other values) of outputs; `joined` and `votes` are of several networks [m n k].

    `joined` gives the probabilities of their mean logits, `votes` which classes each of them answers with. `agree` says
    of each answer whether two ways of computing the same network give it alike. `inverse` gives outputs that activate
    to such values: needed where these are averaged batch by batch, as they are too large to be kept.
    """

    apply: Callable[[Float[Tensor, "b *k"]], Float[Tensor, "b *k"]]
    agree: Callable[[Float[np.ndarray, "n *k"], Float[np.ndarray, "n *k"]], Bool[np.ndarray, "*answers"]]
    joined: Callable[[Float[np.ndarray, "m n k *map"]], Float64[np.ndarray, "n k *map"]] | None = None
    votes: (
        Callable[[Float[np.ndarray, "m n k *map"]], Float[np.ndarray, "m n k *map"] | Bool[np.ndarray, "m n k *map"]]
        | None
    ) = None
    inverse: Callable[[Float[Tensor, "b *k"]], Float[Tensor, "b *k"]] | None = None


def softmax(logits: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """Return the probability of each class, one of which it is."""
    return logits.softmax(1)


def map_softmax(logits: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    """Return the probability of each class at each pixel."""
    return logits.softmax(1)


def sigmoid(logits: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """Return the probability of each class by itself."""
    return logits.sigmoid()


def identity(outputs: Float[Tensor, "b *k"]) -> Float[Tensor, "b *k"]:
    """Return the outputs as they are."""
    return outputs


def logarithm(probabilities: Float[Tensor, "b *k"]) -> Float[Tensor, "b *k"]:
    """Return logits that softmax maps to these probabilities."""
    return probabilities.clamp(min=SMALLEST).log()


def _logs(probabilities: Float[np.ndarray, "m n *k"]) -> Float64[np.ndarray, "m n *k"]:
    return np.asarray(np.log(probabilities.astype(np.float64).clip(SMALLEST, 1)))


def _softmax_joined(each: Float[np.ndarray, "m n k *map"]) -> Float64[np.ndarray, "n k *map"]:
    mean = _logs(each).mean(0)  # logits are logarithms of probabilities up to a constant
    powers = np.exp(mean - mean.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _sigmoid_joined(each: Float[np.ndarray, "m n k"]) -> Float64[np.ndarray, "n k"]:
    odds = _logs(each) - _logs(1 - each.astype(np.float64))
    return np.asarray(1 / (1 + np.exp(-odds.mean(0))))


def _most_probable(each: Float[np.ndarray, "m n k *map"]) -> Float[np.ndarray, "m n k *map"]:
    return np.moveaxis(np.eye(each.shape[2])[each.argmax(2)], -1, 2)


def _above_threshold(each: Float[np.ndarray, "m n k"]) -> Bool[np.ndarray, "m n k"]:
    return np.asarray(each >= THRESHOLD)


def _same_class(
    first: Float[np.ndarray, "n k *map"], second: Float[np.ndarray, "n k *map"]
) -> Bool[np.ndarray, "n *map"]:
    return np.asarray(first.argmax(1) == second.argmax(1))


def _same_classes(first: Float[np.ndarray, "n k"], second: Float[np.ndarray, "n k"]) -> Bool[np.ndarray, "n k"]:
    return np.asarray((first >= THRESHOLD) == (second >= THRESHOLD))


def _close(first: Float[np.ndarray, "n *k"], second: Float[np.ndarray, "n *k"]) -> Bool[np.ndarray, " n"]:
    """Say of each output whether its error is at most a hundredth of its size, as root mean squares."""
    axes = tuple(range(1, first.ndim))
    error, size = (np.square(values.astype(np.float64)).mean(axes) for values in (first - second, first))
    return np.asarray(error <= CLOSE**2 * size)


SOFTMAX = Activation(apply=softmax, agree=_same_class, joined=_softmax_joined, votes=_most_probable)
SIGMOID = Activation(apply=sigmoid, agree=_same_classes, joined=_sigmoid_joined, votes=_above_threshold)
MAP_SOFTMAX = Activation(
    apply=map_softmax, agree=_same_class, joined=_softmax_joined, votes=_most_probable, inverse=logarithm
)
IDENTITY = Activation(apply=identity, agree=_close)
