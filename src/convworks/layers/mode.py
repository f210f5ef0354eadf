"""Temporary modes: evaluation, no in-place operations, convolutions in full precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode; on exit, also after an error, every module gets its own mode back."""
    modes = [(module, module.training) for module in network.modules()]
    if any(training for _, training in modes):  # a mode is set slowly
        network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            if module.training != training:
                module.training = training


@contextmanager
def in_full_precision() -> Iterator[None]:
    """Convolve float32 in float32: on GPUs, PyTorch rounds the factors to the 10 bits of TF32 by default."""
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # set when it is imported
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


@contextmanager
def not_in_place(network: nn.Module) -> Iterator[None]:
    """Switch off in-place operations of all modules; on exit, they are restored."""
    changed = [module for module in network.modules() if getattr(module, "inplace", False)]
    for module in changed:
        module.inplace = False  # type: ignore[assignment]  # a flag of activations and dropout
    try:
        yield
    finally:
        for module in changed:
            module.inplace = True  # type: ignore[assignment]
