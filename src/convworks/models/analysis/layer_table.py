"""A network layer by layer: sizes, parameters, multiply-adds, activations and receptive fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor, nn

from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models.analysis.count import multiply_adds
from convworks.models.analysis.field_call import Fields
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.analysis.trace import Call


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer on one sample: name, kind, output shape, kernel and stride along each axis (empty if none).

    `parameters` are the trainable ones, `macs` the multiply-adds without bias, `activations` the numbers of its output
    if that needs new memory: 0 for in-place and reshaping layers. `field` and `jump` are the theoretical receptive
    field and its stride along each axis, in positions of the input; empty if unknown. The jump of a layer without a
    map is 0: it depends on the whole input.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    parameters: int
    macs: int
    activations: int
    field: tuple[int, ...]
    jump: tuple[Fraction, ...]


def layer_table(calls: Sequence[Call], fields: Mapping[str, Fields]) -> list[Layer]:
    """List every module that computes something itself, in the order of computation.

    These are the modules without children, and those that compute something besides their children, such as sums and
    concatenations. A module that is called twice has its parameters in its first row.
    """
    layers, counted = [], set[int]()
    for root in calls:
        for call in root.everything():
            if not call.own:
                continue
            parameters = [p for p in call.module.parameters(recurse=False) if p.requires_grad and id(p) not in counted]
            counted |= set(map(id, parameters))
            assert call.tensors is not None
            layer_fields = fields.get(call.name, ())
            layers.append(
                Layer(
                    name=call.name,
                    kind=type(call.module).__name__,
                    output=call.output,
                    kernel_size=option(call.module, "kernel_size", len(call.output) - 1),
                    stride=option(call.module, "stride", len(call.output) - 1),
                    parameters=sum(parameter.numel() for parameter in parameters),
                    macs=multiply_adds(call.module, *call.tensors),
                    activations=math.prod(call.output) if call.new else 0,
                    field=tuple(axis.size for axis in layer_fields),
                    jump=tuple(axis.stride for axis in layer_fields),
                )
            )
    return layers


def fields_of(network: Network, images: Tensor) -> dict[str, Fields]:
    """Return the receptive field of every module by its name (without `stages.`).

    Empty for networks that read token indices, and if an operation is unsupported.
    """
    if not images.is_floating_point():
        return {}
    try:
        fields_by_name = receptive_fields(network, images.shape[1], tuple(images.shape[2:]))
    except InputError:
        return {}
    return {name.removeprefix("stages."): fields for name, fields in fields_by_name.items()}


def option(module: nn.Module, name: str, rank: int) -> tuple[int, ...]:
    """Return a window option along each axis; empty for a module without it."""
    value: Any = getattr(module, name, None)
    if value is None:
        return ()
    entries = (value,) if isinstance(value, int) else tuple(value)
    return entries * rank if len(entries) == 1 else entries
