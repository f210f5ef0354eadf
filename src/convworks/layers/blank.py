"""Build modules without initial weights, for networks that initialise all of them afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Random initialisers that the constructors of PyTorch's layers call.
_DRAWS = {Tensor.uniform_, Tensor.normal_, nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_}


class _Blank(TorchFunctionMode):
    """Fills with NaN instead of random values."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func not in _DRAWS:
            return func(*args, **(kwargs or {}))
        tensor: Tensor = args[0] if args else (kwargs or {})["tensor"]
        if not tensor.is_meta:  # meta tensors hold no values, and a fill runs in slow Python
            tensor.detach().fill_(math.nan)
        return tensor


@contextmanager
def blank() -> Iterator[None]:
    """Build modules with NaN weights inside this context, instead of the random ones that PyTorch's constructors draw.

    Constants (batch normalisation, zero biases) are set as usual. After the context, initialise every weight: a
    forgotten one makes the output NaN. Also usable as a decorator. It works on every device and inside
    `without_values()`; other threads are not affected. Filling with NaN takes a twentieth of the time of drawing.

        with blank():
            network = Network(stem=..., stages=..., head=...)
        return initialised(network)
    """
    with _Blank():
        yield


def unfilled(network: nn.Module) -> tuple[str, ...]:
    """Return the names of parameters and buffers that still hold NaN, except on the meta device."""
    tensors = (*network.named_parameters(), *network.named_buffers())
    return tuple(name for name, value in tensors if not value.is_meta and bool(torch.isnan(value).any()))
