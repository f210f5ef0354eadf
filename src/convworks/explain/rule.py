"""Rules: how the terms of a kind of layer are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from convworks.errors import InputError
from convworks.ops.arrays import Array
from convworks.ops.unit.terms import Terms

Index = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Functions for the terms of an output, a message and a parameter gradient; `kind` names the operation.

    `values`, `messages` and `weights` name the factors of the terms of outputs and messages, `factors` those of the
    weight gradient.
    """

    kind: str
    forward: Callable[[Index], Terms]
    backward: Callable[[Index], Terms]
    gradient: Callable[[str, Index], Terms]
    values: str = "input"
    messages: str = "message"
    weights: str = "weight"
    factors: tuple[str, str] = ("input", "message")

    def gradient_from(self, parameter: str) -> tuple[str, str]:
        """Return the names of the factors in a parameter gradient; for a bias, the messages times 1."""
        return ("message", "one") if parameter == "bias" else self.factors


def array(tensor: Tensor | None) -> Array:
    """Return a tensor as a float64 array."""
    if tensor is None:
        raise InputError("loss", "no message came to this layer", "observe with a loss that depends on it")
    return np.asarray(tensor.detach().cpu().double().numpy())


def optional(tensor: Tensor | None) -> Array | None:
    """Return a tensor that may be missing as a float64 array."""
    return None if tensor is None else array(tensor)


def no_parameter(parameter: str, index: Index) -> Terms:
    """Raise InputError: the layer has no parameters."""
    raise InputError("parameter", f"this layer has no parameter {parameter!r}", "name a layer with weights")
