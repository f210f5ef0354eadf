"""Losses of maps of logits: functions of (outputs [b, k, y, x], masks [b, h, w]) that return the mean over the images.

Masks are whole; of those that are larger than the outputs of a network without padding, the centre is compared. Each
loss is a mean over images of what one image gives alone, so that the parts of a batch add up to it in any number of
processes. Pixels with the class `IGNORED` count nowhere and get no gradient; every image counts the same, whatever part
of it is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int64, Shaped
from torch import Tensor

from convworks.data.column import IGNORED
from convworks.data.parts import in_parts
from convworks.errors import InputError
from convworks.losses.borders import border_weights
from convworks.losses.config import (
    BorderCrossEntropy,
    CrossEntropy,
    Dice,
    Focal,
    LossConfig,
    OwnLoss,
    SumLoss,
)
from convworks.losses.functions import Loss, class_weights, loss_function


def pixel_loss(config: LossConfig, pixels: Int64[Tensor, "k"], own: Loss | None = None) -> Loss:
    """Return the loss function of a configuration; `pixels` are the numbers of training pixels of each class.

    `own` is the function for OwnLoss. Raises InputError if it is missing, unless there is one weight per class, and
    for a background that is no class.
    """
    match config:
        case CrossEntropy():
            return partial(cross_entropy, weights=_weights(config, pixels), smoothing=config.smoothing)
        case BorderCrossEntropy():
            if config.background >= len(pixels):
                reason = f"is {config.background}, but the classes are 0 to {len(pixels) - 1}"
                raise InputError("training.loss.background", reason, "name one of them")
            border, sigma, background = config.border, config.sigma, config.background
            drawn = partial(border_weights, border=border, sigma=sigma, background=background, ignored=IGNORED)
            return partial(border_cross_entropy, weights=_weights(config, pixels), drawn=drawn)
        case Focal():
            return partial(focal, weights=_weights(config, pixels), gamma=config.gamma)
        case Dice():
            return dice
        case SumLoss():
            parts = [pixel_loss(part, pixels) for part in config.parts]
            return partial(weighted_sum, parts=parts, weights=config.weights or (1.0,) * len(parts))
        case _:
            assert isinstance(config, OwnLoss)  # as the losses of a task
            compared = loss_function(config, pixels, own)
            return lambda outputs, masks: compared(outputs, centred(masks, outputs))


def centred(maps: Shaped[Tensor, "b h w"], outputs: Float[Tensor, "b k y x"]) -> Shaped[Tensor, "b y x"]:
    """Return what an output scores of maps: all of them, or the centre where a network without padding has less.

    Every loss and metric compares by way of this.
    """
    size = outputs.shape[2:]
    top, left = ((have - want) // 2 for have, want in zip(maps.shape[1:], size, strict=True))
    return maps[:, top : top + size[0], left : left + size[1]]


def cross_entropy(
    outputs: Float[Tensor, "b k y x"],
    masks: Int64[Tensor, "b h w"],
    weights: Float[Tensor, "k"] | None = None,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Return the mean over images of the mean cross-entropy of their pixels, weighted by class."""
    scored = centred(masks, outputs)
    losses = F.cross_entropy(outputs, scored, ignore_index=IGNORED, reduction="none", label_smoothing=smoothing)
    return _mean(losses, scored, weights)


def border_cross_entropy(
    outputs: Float[Tensor, "b k y x"],
    masks: Int64[Tensor, "b h w"],
    weights: Float[Tensor, "k"] | None,
    drawn: Callable[[np.ndarray], Float32[np.ndarray, "h w"]],
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy with the weights of U-Net (Ronneberger et al. 2015, equations 1 and 2).

    A pixel has the weight of its class plus what `drawn` gives for a whole mask: objects beyond the centre that is
    scored have a border too.
    """
    classes = masks.to("cpu", torch.uint8).numpy()
    borders = np.empty(classes.shape, np.float32)

    def draw(first: int, end: int) -> None:
        for number in range(first, end):
            borders[number] = drawn(classes[number])

    in_parts(draw, len(classes))
    scored = centred(masks, outputs)
    losses = F.cross_entropy(outputs, scored, ignore_index=IGNORED, reduction="none")
    by_class = losses.new_ones(()) if weights is None else weights[_known(scored)]
    return _mean(losses * (by_class + centred(torch.from_numpy(borders), outputs).to(losses)), scored)


def focal(
    outputs: Float[Tensor, "b k y x"],
    masks: Int64[Tensor, "b h w"],
    weights: Float[Tensor, "k"] | None = None,
    gamma: float = 2.0,
) -> Float[Tensor, ""]:
    """Return the mean of -(1 - p)^gamma ln p, p the probability of the true class (Lin et al. 2017, equation 4)."""
    scored = centred(masks, outputs)
    losses = F.cross_entropy(outputs, scored, ignore_index=IGNORED, reduction="none")
    missing = -torch.expm1(-losses)  # 1 - p, exact for p near 1
    return _mean(missing.clamp(min=torch.finfo(losses.dtype).tiny) ** gamma * losses, scored, weights)


def dice(outputs: Float[Tensor, "b k y x"], masks: Int64[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """Return the mean over images of 1 - the mean Dice coefficient of the classes that an image shows.

    The coefficient of a class is 2 sum(p y) / (sum(p) + sum(y)) over the pixels, p its probability, y whether a pixel
    shows it. Classes that an image does not show are left out: their coefficient would be 0 whatever the network says.
    """
    scored = centred(masks, outputs)
    counted = _counted(scored)[:, None]
    probabilities = torch.where(counted, outputs.softmax(1), 0.0)
    shows = scored[:, None] == torch.arange(outputs.shape[1], device=masks.device)[:, None, None]
    both, shown = torch.where(shows, probabilities, 0.0).sum((2, 3)), shows.sum((2, 3))
    coefficients = 2 * both / (probabilities.sum((2, 3)) + shown).clamp(min=1e-12)
    present = shown > 0
    return (torch.where(present, 1 - coefficients, 0.0).sum(1) / present.sum(1).clamp(min=1)).mean()


def weighted_sum(
    outputs: Float[Tensor, "b k y x"],
    masks: Int64[Tensor, "b h w"],
    parts: Sequence[Loss],
    weights: Sequence[float],
) -> Float[Tensor, ""]:
    """Return the weighted sum of several losses."""
    return torch.stack([weight * loss(outputs, masks) for loss, weight in zip(parts, weights, strict=True)]).sum()


def _weights(
    config: CrossEntropy | BorderCrossEntropy | Focal, pixels: Int64[Tensor, "k"]
) -> Float[Tensor, "k"] | None:
    return None if config.class_weights is None else class_weights(config, pixels)


def _mean(
    losses: Float[Tensor, "b h w"], masks: Int64[Tensor, "b h w"], weights: Float[Tensor, "k"] | None = None
) -> Float[Tensor, ""]:
    """Return the mean over images of the mean over their counted pixels; 0 for an image without any."""
    counted = _counted(masks)
    weighted = losses if weights is None else losses * weights[_known(masks)]
    sums = torch.where(counted, weighted, 0.0).sum((1, 2))
    return (sums / counted.sum((1, 2)).clamp(min=1)).mean()


def _counted(masks: Int64[Tensor, "b h w"]) -> Bool[Tensor, "b h w"]:
    return masks != IGNORED


def _known(masks: Int64[Tensor, "b h w"]) -> Int64[Tensor, "b h w"]:
    """Return masks in which ignored pixels have a class that exists."""
    return masks.masked_fill(masks == IGNORED, 0)
