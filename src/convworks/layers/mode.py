"""Modes of a network for a while: evaluation, nothing in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode; at the end, also after an error, every module is back in its own mode."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def not_in_place(network: nn.Module) -> Iterator[None]:
    """Let every module leave what it reads as it is; at the end, those that work in place do so again."""
    changed = [module for module in network.modules() if getattr(module, "inplace", False)]
    for module in changed:
        module.inplace = False  # type: ignore[assignment]  # a flag of activations and dropout
    try:
        yield
    finally:
        for module in changed:
            module.inplace = True  # type: ignore[assignment]
