"""Checks for invalid values in networks: non-finite numbers and negative variances."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from convworks.errors import InputError

#: Suffix of the names of running variances.
VARIANCE = "running_var"


def fault(tensors: Mapping[str, Tensor]) -> str | None:
    """Describe the first tensor with invalid values; None if all are valid."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        lowest, highest = torch.stack(tensor.detach().aminmax()).tolist()  # one pass; NaN propagates
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            count = int((~tensor.isfinite()).sum())
            return f"{name} holds {count:,} NaN or infinite {_of(count, tensor)}"
        if name.endswith(VARIANCE) and lowest < 0:
            count = int((tensor < 0).sum())
            return f"{name} holds {count:,} negative {'variance' if count == 1 else 'variances'} (down to {lowest:.4g})"
    return None


def require_sound(where: object, tensors: Mapping[str, Tensor], remedy: str) -> None:
    """Raise InputError for tensors with invalid values."""
    reason = fault(tensors)
    if reason is not None:
        raise InputError(where, reason, remedy)


def _of(count: int, tensor: Tensor) -> str:
    return f"{'value' if count == 1 else 'values'} of {tensor.numel():,}"
