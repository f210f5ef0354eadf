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
    BorderCrossEntropy,
    CrossEntropy,
    Focal,
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
    """Return the loss function of a configuration; `counts` are the numbers of training images of each class.

    `images` is the number of all training images, for multi-label tasks. `own` is the function for OwnLoss. Raises
    InputError if it is missing, and unless there is one weight per class.
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
                raise InputError("loss", f"the run uses a custom loss, {config.name!r}", "pass it as loss=...")
            return own
        case _:
            raise InputError("training.loss", f"{config.kind} is a loss for masks", "choose one of the task")


def class_weights(config: CrossEntropy | BorderCrossEntropy | Focal, counts: Int64[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Return the weight of each class, with a mean of 1 over what `counts` counts: training images, or pixels."""
    if config.class_weights == "balanced":
        weights = torch.where(counts > 0, 1 / counts.clamp(min=1).float(), 0.0)
    else:
        weights = _given("class_weights", config.class_weights or (), counts)
    return weights * counts.sum() / (weights * counts).sum()


def positive_weights(config: BinaryCrossEntropy, counts: Int64[Tensor, "k"], images: int) -> Float[Tensor, "k"] | None:
    """Return the weight of positive images of each class; negative ones have weight 1."""
    if config.positive_weights is None:
        return None
    if config.positive_weights == "balanced":  # a class that all images show, or none, still counts
        return (images - counts).clamp(min=1).float() / counts.clamp(min=1).float()
    return _given("positive_weights", config.positive_weights, counts)


def _given(field: str, weights: tuple[float, ...], counts: Int64[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Return the configured weights; InputError unless there is one per class."""
    if len(weights) != len(counts):
        reason = f"has {len(weights)} numbers for {len(counts)} classes"
        raise InputError(f"training.loss.{field}", reason, "give one number per class, or balanced")
    return torch.tensor(weights, device=counts.device)


def binary_cross_entropy(
    logits: Float[Tensor, "b k"],
    labels: Int64[Tensor, "b"] | Float[Tensor, "b k"],
    weights: Float[Tensor, "k"] | None,
    smoothing: float,
) -> Float[Tensor, ""]:
    """Return the mean over samples of the sum over classes of -w y ln p - (1 - y) ln(1 - p), p = sigmoid(logit)."""
    targets = F.one_hot(labels, logits.shape[1]).to(logits) if labels.ndim == 1 else labels.to(logits)
    targets = targets + smoothing * (0.5 - targets)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=weights)
    return losses.sum(1).mean()


def weighted_cross_entropy(
    logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"], weights: Float[Tensor, "k"], smoothing: float
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy, weighted by class.

    The sum is divided by the number of samples, not by the sum of weights, so that parts of a batch add up.
    """
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    return (weights[labels] * losses).mean()


def mean_penalty(logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"]) -> Float[Tensor, ""]:
    """Return the mean penalty of the true class (LeCun et al. 1998, equation 8); logits are negative penalties."""
    return -logits.gather(1, labels[:, None]).mean()


def penalty(logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"], rubbish: float) -> Float[Tensor, ""]:
    """Return the discriminative criterion (equation 9): cross-entropy with an additional class of constant penalty."""
    constant = logits.new_full((len(logits), 1), -rubbish)
    return F.cross_entropy(torch.cat([logits, constant], 1), labels)


def squared_error(reconstructions: Float[Tensor, "b c h w"], images: UInt8[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return the mean squared error of reconstructions against uint8 images scaled to 0..1."""
    return F.mse_loss(reconstructions, images.to(reconstructions) / 255)


def pixel_cross_entropy(
    reconstructions: Float[Tensor, "b c h w"], images: UInt8[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """Return the mean over all values of -x ln y - (1 - x) ln (1 - y), where y is the reconstruction of x."""
    return F.binary_cross_entropy(reconstructions, images.to(reconstructions) / 255)


def outputs(network: nn.Module, inputs: Tensor) -> tuple[Tensor, dict[str, tuple[float, Tensor]]]:
    """Return the logits, and by name the (weight, logits) of all outputs with a loss: head and auxiliary classifiers.

    The network may be any module; its output is then that of the head.
    """
    if not isinstance(network, Network):
        logits: Tensor = network(inputs)
        return logits, {"head": (1.0, logits)}
    logits, auxiliary = network.outputs(inputs)
    weighted_logits = {"head": (network.head_weight, logits)} if network.head_weight else {}
    return logits, weighted_logits | {name: (network.auxiliary_weights[name], each) for name, each in auxiliary.items()}


def batch_loss(loss: Loss, answers: dict[str, tuple[float, Tensor]], batch: Batch) -> Tensor:
    """Return the mean loss of a batch, summed over all weighted outputs; mixed samples have two labels."""

    def mixed(logits: Tensor) -> Tensor:
        value = loss(logits.float(), batch.targets)
        if value.ndim:
            reason = f"returns shape {tuple(value.shape)} for a batch of {len(batch.targets)}"
            raise InputError("loss", reason, "return their mean")
        if batch.others is None:
            return value
        return batch.weight * value + (1 - batch.weight) * loss(logits.float(), batch.others)

    return torch.stack([weight * mixed(logits) for weight, logits in answers.values()]).sum()
