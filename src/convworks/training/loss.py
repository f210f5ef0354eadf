"""Losses as functions of (logits, labels)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from convworks.training.config import CrossEntropy, PenaltyLoss

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_function(config: CrossEntropy | PenaltyLoss) -> Loss:
    """Return the loss that a configuration names."""
    match config:
        case CrossEntropy():
            return partial(F.cross_entropy, label_smoothing=config.smoothing)
        case PenaltyLoss():
            return partial(penalty, rubbish=config.rubbish) if config.rivals else mean_penalty


def mean_penalty(logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"]) -> Float[Tensor, ""]:
    """Return the mean penalty of the right class (LeCun et al. 1998, equation 8); logits are minus penalties."""
    return -logits.gather(1, labels[:, None]).mean()


def penalty(logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"], rubbish: float) -> Float[Tensor, ""]:
    """Return the discriminative criterion (equation 9): cross-entropy with one more class of constant penalty."""
    constant = logits.new_full((len(logits), 1), -rubbish)
    return F.cross_entropy(torch.cat([logits, constant], 1), labels)
