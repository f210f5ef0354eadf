"""Progressive resizing: training on smaller images first, which is faster."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from convworks.data.inputs.input import Input
from convworks.errors import InputError
from convworks.training.config import Resolution


def size_at(resolutions: Sequence[Resolution], step: int, steps: int) -> tuple[int, int] | None:
    """Return the reduced image size (height, width) at a step, or None for the network's own."""
    return next((resolution.size for resolution in resolutions if step < resolution.until * steps), None)


def check_resolutions(resolutions: Sequence[Resolution], network: nn.Module, input: Input) -> None:
    """Raise InputError for sizes larger than the network's input, or that the network does not accept."""
    where = "training.resolutions"
    for resolution in resolutions:
        size, largest = resolution.size, input.size
        if any(side > most for side, most in zip(size, largest, strict=True)):
            reason = f"has {_written(size)}, but the network's images are {_written(largest)}"
            raise InputError(where, reason, "give sizes that are smaller")
        device, training = next(network.parameters()).device, network.training
        try:
            with torch.no_grad():
                network.eval()(input.example(size=size, device=device))
        except (RuntimeError, ValueError, InputError) as error:
            reason = f"has {_written(size)}, which the network cannot take ({' '.join(str(error).split())[:100]})"
            raise InputError(where, reason, "give larger sizes, or a network that takes any") from None
        finally:
            network.train(training)


def _written(size: Sequence[int]) -> str:
    return "x".join(map(str, size))
