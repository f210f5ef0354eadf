"""Rules for modules: the matching operation of `convworks.ops` and its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from convworks.explain.observe import Layer, Observation
from convworks.explain.rule import Index, Rule, array, no_parameter
from convworks.explain.weighted import (
    average_pooling_rule,
    convolution_rule,
    fully_connected_rule,
    max_pooling_rule,
    partial_rule,
    up_convolution_rule,
)
from convworks.layers.partial import PartialConv2d
from convworks.layers.residual import Plain, Residual
from convworks.ops.arrays import Array
from convworks.ops.normalisation.batch_normalisation import Statistics
from convworks.ops.unit import batch_normalisation, convolution
from convworks.ops.unit.terms import Terms, terms

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
UP_CONVOLUTIONS = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def rule(layer: Layer, observation: Observation) -> Rule | None:
    """Return the rule of a layer, or None if `convworks.ops` does not define it."""
    module: Any = layer.module
    axes = layer.input.ndim - 2
    if not layer.input.is_floating_point():
        return None
    if _is(module, CONVOLUTIONS, axes) and module.padding_mode == "zeros":
        return convolution_rule(layer, module)
    if _is(module, (PartialConv2d,)):
        return partial_rule(layer, module)
    if _is(module, UP_CONVOLUTIONS, axes):
        return up_convolution_rule(layer, module)
    if _is(module, (nn.Linear,)) and axes == 0:
        return fully_connected_rule(layer, module)
    if _is(module, MAX_POOLS, axes):
        return max_pooling_rule(layer, module)
    if _is(module, AVERAGE_POOLS, axes) and getattr(module, "divisor_override", None) is None:
        return average_pooling_rule(layer, module)
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
    """Return whether a module is one of the classes with their own `forward`; `axes` selects by number of axes."""
    candidates = classes if axes is None else classes[axes - 1 : axes] if axes > 0 else ()
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in candidates)


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
    """One term: the input times 0 or 1 / (1 - rate), inferred from input and output, or from messages if x = 0."""
    x, z = array(layer.input), array(layer.output)
    gates = np.divide(z, x, out=np.ones_like(x), where=x != 0)
    if layer.message is not None:
        output_message, input_message = array(layer.message), array(layer.input_message)
        gates = np.divide(input_message, output_message, out=gates, where=(x == 0) & (output_message != 0))
    return _gated("dropout", layer, gates)


def _gated(kind: str, layer: Layer, gates: Array) -> Rule:
    def gate(values: Array, index: Index) -> Terms:
        return terms(values[index].reshape(1), gates[index].reshape(1), np.array([index]))

    return Rule(
        kind=kind,
        weights="gate",
        forward=lambda unit: gate(array(layer.input), unit),
        backward=lambda position: gate(array(layer.message), position),
        gradient=no_parameter,
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
        gradient=no_parameter,
        values=f"outputs of {listed}",
        messages=f"messages of {listed}",
        weights="gate",
    )
