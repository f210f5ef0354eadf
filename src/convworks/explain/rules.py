"""From a module to its definition: which operation of `convworks.ops` it is, with which arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.explain.observe import Layer, Observation
from convworks.layers.partial import PartialConv2d
from convworks.layers.residual import Plain, Residual
from convworks.ops.arrays import Array
from convworks.ops.batch_normalisation import Statistics
from convworks.ops.unit import (
    average_pooling,
    batch_normalisation,
    convolution,
    fully_connected,
    max_pooling,
    up_convolution,
)
from convworks.ops.unit.terms import Terms, terms

Index = tuple[int, ...]
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
UP_CONVOLUTIONS = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How to find the terms of an output, a message and a parameter's gradient; `kind` names the operation.

    values, messages and weights say what the terms of outputs and messages are made of, `factors` what those of the
    gradient by the weight are.
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
        """Return what values and weights are in the gradient by a parameter: by a bias, the messages times 1."""
        return ("message", "one") if parameter == "bias" else self.factors


def rule(layer: Layer, observation: Observation) -> Rule | None:
    """Return the definition of a layer, or None where `convworks.ops` has none for it."""
    module: Any = layer.module
    axes = layer.input.ndim - 2
    if not layer.input.is_floating_point():
        return None
    if _is(module, CONVOLUTIONS, axes) and module.padding_mode == "zeros":
        return _convolution(layer, module)
    if _is(module, (PartialConv2d,)):
        return _partial(layer, module)
    if _is(module, UP_CONVOLUTIONS, axes):
        return _up_convolution(layer, module)
    if _is(module, (nn.Linear,)) and axes == 0:
        return _fully_connected(layer, module)
    if _is(module, MAX_POOLS, axes):
        return _max_pooling(layer, module)
    if _is(module, AVERAGE_POOLS, axes) and getattr(module, "divisor_override", None) is None:
        return _average_pooling(layer, module)
    if _is(module, NORMS) and module.affine and axes >= 0:
        return _batch_normalisation(layer, module)
    if _is(module, (nn.ReLU,)):
        return _relu(layer)
    if _is(module, DROPOUTS):
        return _dropout(layer)
    if _is(module, (Residual, Plain)):
        return _residual(layer, observation)
    return None


def _is(module: Any, classes: tuple[type[nn.Module], ...], axes: int | None = None) -> bool:
    """Tell whether a module is one of the classes and computes as they do; `axes` picks the one for so many axes."""
    chosen = classes if axes is None else classes[axes - 1 : axes] if axes > 0 else ()
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in chosen)


def array(tensor: Tensor | None) -> Array:
    """Return a tensor as a float64 array."""
    if tensor is None:
        raise InputError("loss", "no message came to this layer", "observe with a loss that depends on it")
    return np.asarray(tensor.detach().cpu().double().numpy())


def _convolution(layer: Layer, module: Any) -> Rule:
    options = _sliding(module)
    x, weight, bias = array(layer.input), array(module.weight), _optional(module.bias)
    return Rule(
        kind="cross_correlation",
        forward=lambda unit: convolution.forward(x, weight, bias, unit=unit, **options),
        backward=lambda position: convolution.backward(
            array(layer.message), weight, position=position, size=x.shape[2:], **options
        ),
        gradient=lambda parameter, index: (
            convolution.bias_gradient(array(layer.message), channel=index[0])
            if parameter == "bias"
            else convolution.gradient(array(layer.message), x, index=index, kernel_size=weight.shape[2:], **options)
        ),
    )


def _partial(layer: Layer, module: PartialConv2d) -> Rule:
    """A convolution with a table of connections: terms of pairs that are not connected are left out."""
    x, weight, bias = array(layer.input), array(module.dense_weight()), array(module.bias)
    pairs = module.source.tolist()
    connected = np.zeros(weight.shape[:2], dtype=bool)
    connected.reshape(-1)[pairs] = True

    def only(found: Terms) -> Terms:
        kept = connected[found.weight_places[:, 0], found.weight_places[:, 1]]
        return terms(found.values[kept], found.weights[kept], found.places[kept], found.weight_places[kept], found.bias)

    def gradient(parameter: str, index: Index) -> Terms:
        if parameter == "bias":
            return convolution.bias_gradient(array(layer.message), channel=index[0])
        own = (*divmod(pairs[index[0]], module.in_channels), *index[1:])
        return convolution.gradient(array(layer.message), x, index=own, kernel_size=weight.shape[2:])

    return Rule(
        kind="cross_correlation",
        forward=lambda unit: only(convolution.forward(x, weight, bias, unit=unit)),
        backward=lambda position: only(
            convolution.backward(array(layer.message), weight, position=position, size=x.shape[2:])
        ),
        gradient=gradient,
    )


def _up_convolution(layer: Layer, module: Any) -> Rule:
    options = _sliding(module)
    x, weight, bias = array(layer.input), array(module.weight), _optional(module.bias)
    more = tuple(module.output_padding)
    return Rule(
        kind="up_convolution",
        forward=lambda unit: up_convolution.forward(x, weight, bias, unit=unit, output_padding=more, **options),
        backward=lambda position: up_convolution.backward(array(layer.message), weight, position=position, **options),
        gradient=lambda parameter, index: (
            convolution.bias_gradient(array(layer.message), channel=index[0])
            if parameter == "bias"
            else up_convolution.gradient(array(layer.message), x, index=index, kernel_size=weight.shape[2:], **options)
        ),
    )


def _fully_connected(layer: Layer, module: nn.Linear) -> Rule:
    x, weight, bias = array(layer.input), array(module.weight), _optional(module.bias)
    return Rule(
        kind="fully_connected",
        forward=lambda unit: fully_connected.forward(x, weight, bias, unit=unit),
        backward=lambda position: fully_connected.backward(array(layer.message), weight, position=position),
        gradient=lambda parameter, index: (
            convolution.bias_gradient(array(layer.message), channel=index[0])
            if parameter == "bias"
            else fully_connected.gradient(array(layer.message), x, index=index)
        ),
    )


def _max_pooling(layer: Layer, module: Any) -> Rule:
    x, rank = array(layer.input), layer.input.ndim - 2
    options: dict[str, Any] = _pool(module, rank) | {"dilation": _each(module.dilation, rank)}
    return Rule(
        kind="max_pooling",
        weights="1 at the maximum, else 0",
        forward=lambda unit: max_pooling.forward(x, unit=unit, **options),
        backward=lambda position: max_pooling.backward(array(layer.message), x, position=position, **options),
        gradient=_none,
    )


def _average_pooling(layer: Layer, module: Any) -> Rule:
    x, rank = array(layer.input), layer.input.ndim - 2
    options: dict[str, Any] = _pool(module, rank) | {"count_padding": module.count_include_pad}
    return Rule(
        kind="average_pooling",
        weights="1/n",
        forward=lambda unit: average_pooling.forward(x, unit=unit, **options),
        backward=lambda position: average_pooling.backward(
            array(layer.message), position=position, size=x.shape[2:], **options
        ),
        gradient=_none,
    )


def _batch_normalisation(layer: Layer, module: Any) -> Rule:
    x, scale, shift = array(layer.input), array(module.weight), array(module.bias)
    fixed = not module.training and module.running_mean is not None
    statistics = Statistics(array(module.running_mean), array(module.running_var)) if fixed else None
    options: dict[str, Any] = {"statistics": statistics, "epsilon": module.eps}
    return Rule(
        kind="batch_normalisation",
        weights="slope",
        factors=("message", "normalised input"),
        forward=lambda unit: batch_normalisation.forward(x, scale, shift, unit=unit, **options),
        backward=lambda position: batch_normalisation.backward(
            array(layer.message), x, scale, position=position, **options
        ),
        gradient=lambda parameter, index: (
            convolution.bias_gradient(array(layer.message), channel=index[0])
            if parameter == "bias"
            else batch_normalisation.gradient(array(layer.message), x, channel=index[0], **options)
        ),
    )


def _relu(layer: Layer) -> Rule:
    """One term: the input times 1, or times 0 where it is not positive."""
    return _gated("relu", layer, (array(layer.input) > 0).astype(np.float64))


def _dropout(layer: Layer) -> Rule:
    """One term: the input times 0 or 1 / (1 - rate), as input and output show; for an input of 0, as messages do."""
    x, z = array(layer.input), array(layer.output)
    gates = np.divide(z, x, out=np.ones_like(x), where=x != 0)
    if layer.message is not None:
        came, went = array(layer.message), array(layer.input_message)
        gates = np.divide(went, came, out=gates, where=(x == 0) & (came != 0))
    return _gated("dropout", layer, gates)


def _gated(kind: str, layer: Layer, gates: Array) -> Rule:
    def gate(values: Array, index: Index) -> Terms:
        return terms(values[index].reshape(1), gates[index].reshape(1), np.array([index]))

    return Rule(
        kind=kind,
        weights="gate",
        forward=lambda unit: gate(array(layer.input), unit),
        backward=lambda position: gate(array(layer.message), position),
        gradient=_none,
    )


def _residual(layer: Layer, observation: Observation) -> Rule:
    """Body and shortcut, added and rectified: two terms with weight 1 where the sum is positive, else 0."""
    names = [child for child, _ in layer.module.named_children()]
    prefix = f"{layer.name}." if layer.name else ""
    branches = [observation.layer(prefix + name) for name in names]

    def forward(unit: Index) -> Terms:
        values = np.array([float(branch.output[unit]) for branch in branches])
        gate = np.full(len(values), float(values.sum() > 0))
        return terms(values, gate, np.array([unit] * len(values)))

    def backward(position: Index) -> Terms:
        values = np.array([array(branch.input_message)[position] for branch in branches])
        return terms(values, np.ones(len(values)), np.array([position] * len(values)))

    listed = ", ".join(names)
    return Rule(
        kind="residual",
        forward=forward,
        backward=backward,
        gradient=_none,
        values=f"outputs of {listed}",
        messages=f"messages of {listed}",
        weights="gate",
    )


def _sliding(module: Any) -> dict[str, Any]:
    """Return stride, padding, dilation and groups of a convolution module."""
    padding = module.padding if isinstance(module.padding, str) else tuple(module.padding)
    return {"stride": module.stride, "padding": padding, "dilation": module.dilation, "groups": module.groups}


def _pool(module: Any, rank: int) -> dict[str, Any]:
    """Return what max and average pooling have in common."""
    return {
        "kernel_size": _each(module.kernel_size, rank),
        "stride": _each(module.stride, rank),
        "padding": _each(module.padding, rank),
        "rounding": "ceil" if module.ceil_mode else "floor",
    }


def _each(value: Any, rank: int) -> tuple[int, ...]:
    entries = (value,) if isinstance(value, int) else tuple(value)
    return entries * rank if len(entries) == 1 else entries


def _optional(tensor: Tensor | None) -> Array | None:
    return None if tensor is None else array(tensor)


def _none(parameter: str, index: Index) -> Terms:
    raise InputError("parameter", f"this layer has no parameter {parameter!r}", "name a layer with weights")
