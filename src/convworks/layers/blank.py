"""Modules without first weights, for networks that draw all of them themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# What the constructors of PyTorch's layers draw with.
_DRAWS = {Tensor.uniform_, Tensor.normal_, nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_}


class _Blank(TorchFunctionMode):
    """Puts NaN where something would be drawn at random."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func not in _DRAWS:
            return func(*args, **(kwargs or {}))
        tensor: Tensor = args[0] if args else (kwargs or {})["tensor"]
        if not tensor.is_meta:  # where there is nothing to find, and a fill runs in slow Python
            tensor.detach().fill_(math.nan)
        return tensor


@contextmanager
def blank() -> Iterator[None]:
    """Build modules whose weights are NaN inside this context: PyTorch's layers draw them when they are made.

    Constants (batch normalisation, zero biases) are as always. Leave the context and draw every weight: one that is
    forgotten makes the output NaN. Also a decorator of a function that builds. It works on every device and inside
    `without_values()`; other threads are not affected. Filling with NaN costs a twentieth of drawing.

        with blank():
            network = Network(stem=..., stages=..., head=...)
        return initialised(network)
    """
    with _Blank():
        yield


def unfilled(network: nn.Module) -> tuple[str, ...]:
    """Name the parameters and buffers that still hold NaN; those on the meta device hold nothing."""
    tensors = (*network.named_parameters(), *network.named_buffers())
    return tuple(name for name, value in tensors if not value.is_meta and bool(torch.isnan(value).any()))
