"""Greedy layer-wise training of an autoencoder: the innermost layer alone, on the code that those below it make.

Hinton and Salakhutdinov 2006; with corrupted codes Vincent et al. 2010, section 3.5 (lecture 001: train the first layer
as a shallow autoencoder, use its hidden units' activations to train another one, and so on).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from convworks.data.config import Corruption, Gaussian, Masking
from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.losses.config import LossConfig, PixelCrossEntropy, SquaredError
from convworks.losses.functions import Loss
from convworks.metrics.spec import CODE_MSE
from convworks.tasks.reconstruction import RECONSTRUCTION
from convworks.tasks.task import Answered, Answers, Task


class Innermost(NamedTuple):
    """The layers below the innermost one, that one, and its way back."""

    below: nn.Sequential
    forth: nn.Module
    back: nn.Module


def innermost(network: nn.Module) -> Innermost:
    """Return the innermost layer; InputError for a network that has no layers which mirror each other."""
    stages = dict(network.stages.named_children()) if isinstance(network, Network) else {}
    layers = [list(stages[name].children()) if name in stages else [] for name in ("encoder", "decoder")]
    if not layers[0] or len(layers[0]) != len(layers[1]):
        reason = "needs a network with `encoder` and `decoder`"
        raise InputError("training.greedy", reason, "choose --model autoencoder_fc_deep, or leave it out")
    return Innermost(nn.Sequential(*layers[0][:-1]), layers[0][-1], layers[1][0])


def is_deep(network: nn.Module) -> bool:
    """Return whether there are layers below the innermost one, whose code is then its target instead of the image."""
    return len(innermost(network).below) > 0


def outer(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return all modules but the innermost encoder and decoder layers: those that greedy training freezes."""
    inner = innermost(network)
    assert isinstance(network, Network)
    layers = [layer for stage in network.stages.children() for layer in stage.children()]
    kept = [layer for layer in layers if layer is not inner.forth and layer is not inner.back]
    return (network.stem, *kept, network.head)


def codes(
    network: nn.Module,
    inputs: Float[Tensor, "b c h w"],
    corruption: Corruption | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "2 b f"]:
    """Return the reconstruction by the innermost layer, and its target: the code of the layers below."""
    assert isinstance(network, Network)
    inner = innermost(network)
    with torch.no_grad():
        code = inner.below(network.stem(inputs))
    read = code if corruption is None else corrupted(code, corruption, generator)
    return torch.stack((inner.back(inner.forth(read)), code))


def corrupted(
    code: Float[Tensor, "b f"], corruption: Corruption, generator: torch.Generator | None = None
) -> Float[Tensor, "b f"]:
    """Corrupt the values of a code, of which 0 is the lowest and 1 the highest."""
    if isinstance(corruption, Gaussian):
        normal = torch.empty_like(code).normal_(generator=generator)
        return code + corruption.deviation * normal
    number = torch.empty_like(code).uniform_(generator=generator)
    kept = code * (number >= corruption.rate)
    return kept if isinstance(corruption, Masking) else torch.where(number < corruption.rate / 2, 1.0, kept)


def loss_of(config: LossConfig, counts: Int64[Tensor, " k"], own: Loss | None, samples: int) -> Loss:
    """Return the loss of `codes`; the targets of the batch, which are its images, are not used."""
    match config:
        case SquaredError():
            return lambda both, images: F.mse_loss(both[0], both[1])
        case PixelCrossEntropy():
            return lambda both, images: F.binary_cross_entropy(both[0], both[1])
        case _:
            reason = f"{config.kind} does not compare codes"
            raise InputError("training.loss", reason, "--set training.loss.kind=squared_error, or pixel_cross_entropy")


def code_errors(both: Float[Tensor, "2 b f"], images: Tensor) -> Float[Tensor, "b"]:
    """Return the mean squared error of each code."""
    return (both[0].float() - both[1].float()).square().mean(1)


def answers(network: nn.Module, inputs: Tensor, corruption: Corruption | None) -> Answers:
    """Return `codes` for a training step; like dropout, corruption is seeded by the step."""
    both = codes(network, inputs, corruption)
    return both, {"head": (1.0, both)}


def validated(
    network: nn.Module, inputs: Callable[[Tensor], Tensor], answered: Answered, corruption: Corruption | None
) -> Float[Tensor, "2 b f"]:
    """Return `codes` for validation, with corruption seeded by the index of the first sample."""
    generator = torch.Generator(answered.outputs.device).manual_seed(int(answered.indices[0]))
    return codes(network, inputs(answered.read.to(answered.outputs.device)), corruption, generator)


#: The metrics of validation are those of images, through all layers; its loss is that of the codes.
CODES = replace(
    RECONSTRUCTION,
    score=CODE_MSE,
    scored=code_errors,
    loss=loss_of,
    answers=answers,
    validated=validated,
    corrupts_inputs=False,
)


def variant(config: Any, network: nn.Module) -> Task:
    """Return the task of an autoencoder: images; in greedy training, except of the outermost layer, codes."""
    return CODES if config.training.greedy and is_deep(network) else RECONSTRUCTION
