"""Losses as functions of (logits, labels) that return the mean over the samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from convworks.data.batches import Batch
from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.losses.config import (
    BinaryCrossEntropy,
    CrossEntropy,
    LossConfig,
    OwnLoss,
    PenaltyLoss,
    PixelCrossEntropy,
    SquaredError,
)

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_function(
    config: LossConfig, counts: Int64[Tensor, "k"], own: Loss | None = None, *, images: int | None = None
) -> Loss:
    """Return the loss that a configuration names; `counts` are the training images of each class.

    `images` are all of them, where one may show several classes or none.

    `own` is the function that OwnLoss stands for. Raises InputError where it is missing, and for class weights that
    are not one a class.
    """
    match config:
        case CrossEntropy(class_weights=None):
            return partial(F.cross_entropy, label_smoothing=config.smoothing)
        case CrossEntropy():
            weights = class_weights(config, counts)
            return partial(weighted_cross_entropy, weights=weights, smoothing=config.smoothing)
        case BinaryCrossEntropy():
            positive = positive_weights(config, counts, int(counts.sum()) if images is None else images)
            return partial(binary_cross_entropy, weights=positive, smoothing=config.smoothing)
        case PenaltyLoss():
            return partial(penalty, rubbish=config.rubbish) if config.rivals else mean_penalty
        case SquaredError():
            return squared_error
        case PixelCrossEntropy():
            return pixel_cross_entropy
        case OwnLoss():
            if own is None:
                raise InputError("loss", f"the run uses a loss of its own, {config.name!r}", "give it as loss=...")
            return own


def class_weights(config: CrossEntropy, counts: Int64[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Return the weight of each class, with a mean of 1 over the training images."""
    if config.class_weights == "balanced":
        weights = torch.where(counts > 0, 1 / counts.clamp(min=1).float(), 0.0)
    else:
        weights = _given("class_weights", config.class_weights or (), counts)
    return weights * counts.sum() / (weights * counts).sum()


def positive_weights(config: BinaryCrossEntropy, counts: Int64[Tensor, "k"], images: int) -> Float[Tensor, "k"] | None:
    """Return how much an image that shows a class counts for it, where one that does not counts 1."""
    if config.positive_weights is None:
        return None
    if config.positive_weights == "balanced":  # a class that all show, or none, still counts
        return (images - counts).clamp(min=1).float() / counts.clamp(min=1).float()
    return _given("positive_weights", config.positive_weights, counts)


def _given(field: str, weights: tuple[float, ...], counts: Int64[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Return weights as they are given, or raise InputError where they are not one a class."""
    if len(weights) != len(counts):
        reason = f"has {len(weights)} numbers for {len(counts)} classes"
        raise InputError(f"training.loss.{field}", reason, "give one number a class, or balanced")
    return torch.tensor(weights, device=counts.device)


def binary_cross_entropy(
    logits: Float[Tensor, "b k"],
    labels: Int64[Tensor, "b"] | Float[Tensor, "b k"],
    weights: Float[Tensor, "k"] | None,
    smoothing: float,
) -> Float[Tensor, ""]:
    """Return the mean over samples of the sum over classes of -w y ln p - (1 - y) ln(1 - p), p the logit's sigmoid."""
    answers = F.one_hot(labels, logits.shape[1]).to(logits) if labels.ndim == 1 else labels.to(logits)
    answers = answers + smoothing * (0.5 - answers)
    losses = F.binary_cross_entropy_with_logits(logits, answers, reduction="none", pos_weight=weights)
    return losses.sum(1).mean()


def weighted_cross_entropy(
    logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"], weights: Float[Tensor, "k"], smoothing: float
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy, each sample counting by the weight of its class.

    The mean is over samples, not over weights: so parts of a batch add up to the whole.
    """
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    return (weights[labels] * losses).mean()


def mean_penalty(logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"]) -> Float[Tensor, ""]:
    """Return the mean penalty of the right class (LeCun et al. 1998, equation 8); logits are minus penalties."""
    return -logits.gather(1, labels[:, None]).mean()


def penalty(logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"], rubbish: float) -> Float[Tensor, ""]:
    """Return the discriminative criterion (equation 9): cross-entropy with one more class of constant penalty."""
    constant = logits.new_full((len(logits), 1), -rubbish)
    return F.cross_entropy(torch.cat([logits, constant], 1), labels)


def squared_error(made: Float[Tensor, "b c h w"], images: UInt8[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return the mean squared difference of made images and those in bytes, of which 255 is 1."""
    return F.mse_loss(made, images.to(made) / 255)


def pixel_cross_entropy(made: Float[Tensor, "b c h w"], images: UInt8[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return the mean over all values of -x ln y - (1 - x) ln (1 - y), y what was made of x."""
    return F.binary_cross_entropy(made, images.to(made) / 255)


def outputs(network: nn.Module, inputs: Tensor) -> tuple[Tensor, dict[str, tuple[float, Tensor]]]:
    """Return the logits, and by name the (weight, logits) of all that has a loss: head and auxiliary classifiers.

    Any module may be a network; its logits are then those of the head.
    """
    if not isinstance(network, Network):
        logits: Tensor = network(inputs)
        return logits, {"head": (1.0, logits)}
    logits, auxiliary = network.outputs(inputs)
    answers = {"head": (network.head_weight, logits)} if network.head_weight else {}
    return logits, answers | {name: (network.auxiliary_weights[name], found) for name, found in auxiliary.items()}


def batch_loss(loss: Loss, answers: dict[str, tuple[float, Tensor]], batch: Batch) -> Tensor:
    """Return the mean loss of a batch, summed over (weight, logits) of all answers; mixed samples have two labels."""

    def mixed(found: Tensor) -> Tensor:
        value = loss(found.float(), batch.targets)
        if value.ndim:
            reason = f"gives {tuple(value.shape)} numbers for a batch of {len(batch.targets)}"
            raise InputError("loss", reason, "return their mean")
        if batch.others is None:
            return value
        return batch.share * value + (1 - batch.share) * loss(found.float(), batch.others)

    return torch.stack([weight * mixed(found) for weight, found in answers.values()]).sum()
