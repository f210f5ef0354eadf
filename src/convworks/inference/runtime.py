"""Runtimes: objects that compute the outputs of a network for a batch of samples."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from convworks.data.inputs.input import Input
from convworks.errors import RunError
from convworks.layers.mode import evaluating

# Pixels per batch: activations fit in a CPU's cache, and fill a GPU. But every batch reads all weights, which exceed
# the cache: of large images at least a few are computed together, as far as memory allows.
PIXELS = {"cpu": 1 << 17}
MOST_PIXELS = 1 << 23
FEW, MOST_OF_FEW = 16, 1 << 20
OVERFLOW = "the network's answer is NaN or infinite: its values overflow"
NO_OVERFLOW = "train it again at a lower learning rate, or import other weights"
#: Layers whose products are computed in bfloat16, with bfloat16 weights.
MULTIPLYING = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    nn.Linear,
)


@runtime_checkable
class Runtime(Protocol):
    """Computes the outputs of a network for a batch of stored samples."""

    @property
    def name(self) -> str:
        """The library that computes."""

    @property
    def precision(self) -> torch.dtype:
        """The type of the products."""

    @property
    def device(self) -> torch.device:
        """The device it computes on."""

    def ready(self) -> AbstractContextManager[object]:
        """Return the context in which it may be called."""

    def __call__(self, batch: Tensor) -> Float32[Tensor, "b *output"]:
        """Return the outputs for a batch."""


@dataclass(frozen=True, kw_only=True)
class TorchRuntime:
    """A PyTorch network, in evaluation mode within `ready()`, whose mode is restored afterwards."""

    network: nn.Module
    input: Input
    precision: torch.dtype
    name: str = "torch"

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.network.parameters()).device

    def ready(self) -> AbstractContextManager[object]:
        """Return the context in which the network is in evaluation mode."""
        return evaluating(self.network)

    def __call__(self, batch: Tensor) -> Float32[Tensor, "b *output"]:
        """Return the float32 outputs for a batch."""
        with torch.inference_mode(), mixed(self.device, self.precision):
            outputs: Tensor = self.network(self.input.normalise(batch))
        return outputs.float()


def mixed(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """Return the autocast context: products in `precision`, sums in float32."""
    if precision == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, precision)


def cast_once(network: nn.Module, precision: torch.dtype) -> nn.Module:
    """Return a network whose weights have the precision of the products: the same values, not cast for every batch.

    For float32 it is the network itself, otherwise a copy.
    """
    if precision == torch.float32:
        return network
    ready = copy.deepcopy(network)
    for module in ready.modules():
        if type(module) in MULTIPLYING:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(precision)
    return ready


def batch_size(device: torch.device, size: Sequence[int]) -> int:
    """Return the batch size for samples of a size (height, width; or any other axes)."""
    area = math.prod(size)
    few = min(FEW, MOST_OF_FEW // area)
    return max(1, few, min(1024, PIXELS.get(device.type, MOST_PIXELS) // area))


def finite(outputs: Tensor) -> Tensor:
    """Return outputs unchanged; RunError if any value is not finite.

    Training does not call this: it checks the loss.
    """
    if not outputs.isfinite().all():
        raise RunError("network", OVERFLOW, NO_OVERFLOW)
    return outputs


def marked(apply: Callable[[Tensor], Tensor], outputs: Tensor) -> Tensor:
    """Return activated outputs, NaN for each sample whose outputs are not finite."""
    sound = outputs.isfinite().flatten(1).all(1)
    values = apply(outputs)
    return values if bool(sound.all()) else torch.where(sound.view(-1, *[1] * (values.ndim - 1)), values, torch.nan)
