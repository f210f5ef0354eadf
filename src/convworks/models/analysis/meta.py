"""Networks on the meta device, for counting: skips operations that only compute values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

_FILLS = {
    torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.fill_, torch.Tensor.zero_,
    nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_, nn.init.constant_,
}  # fmt: skip
_SAME_SHAPE = {F.batch_norm, F.relu}


class _ShapesOnly(TorchFunctionMode):
    """Skips fills, and returns the input of shape-preserving layers: on meta, PyTorch runs these in slow Python."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _FILLS or func in _SAME_SHAPE:
            return args[0] if args else next(iter((kwargs or {}).values()))
        return func(*args, **(kwargs or {}))


@contextmanager
def without_values() -> Iterator[None]:
    """Build and run networks on the meta device inside this context: only shapes are computed."""
    with torch.device("meta"), _ShapesOnly(), torch.no_grad():
        yield
