"""The rules of layers that add up weighted inputs: convolutions, fully connected layers, pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from convworks.explain.observe import Layer
from convworks.explain.rule import Index, Rule, array, no_parameter, optional
from convworks.layers.partial import PartialConv2d
from convworks.ops.unit import (
    adaptive_average_pooling,
    adaptive_max_pooling,
    average_pooling,
    convolution,
    fully_connected,
    max_pooling,
    up_convolution,
)
from convworks.ops.unit.terms import Terms, terms


def convolution_rule(layer: Layer, module: Any) -> Rule:
    """Explain nn.Conv1d, Conv2d and Conv3d with zero padding."""
    options = _sliding(module)
    x, weight, bias = array(layer.input), array(module.weight), optional(module.bias)
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


def partial_rule(layer: Layer, module: PartialConv2d) -> Rule:
    """Explain a partially connected convolution; terms of unconnected pairs are left out."""
    x, weight, bias = array(layer.input), array(module.dense_weight()), array(module.bias)
    pairs = module.source.tolist()
    connected = np.zeros(weight.shape[:2], dtype=bool)
    connected.reshape(-1)[pairs] = True

    def only(all_terms: Terms) -> Terms:
        mask = connected[all_terms.weight_positions[:, 0], all_terms.weight_positions[:, 1]]
        return terms(
            all_terms.values[mask],
            all_terms.weights[mask],
            all_terms.positions[mask],
            all_terms.weight_positions[mask],
            all_terms.bias,
        )

    def gradient(parameter: str, index: Index) -> Terms:
        if parameter == "bias":
            return convolution.bias_gradient(array(layer.message), channel=index[0])
        dense_index = (*divmod(pairs[index[0]], module.in_channels), *index[1:])
        return convolution.gradient(array(layer.message), x, index=dense_index, kernel_size=weight.shape[2:])

    return Rule(
        kind="cross_correlation",
        forward=lambda unit: only(convolution.forward(x, weight, bias, unit=unit)),
        backward=lambda position: only(
            convolution.backward(array(layer.message), weight, position=position, size=x.shape[2:])
        ),
        gradient=gradient,
    )


def up_convolution_rule(layer: Layer, module: Any) -> Rule:
    """Explain nn.ConvTranspose1d, 2d and 3d."""
    options = _sliding(module)
    x, weight, bias = array(layer.input), array(module.weight), optional(module.bias)
    output_padding = tuple(module.output_padding)
    return Rule(
        kind="up_convolution",
        forward=lambda unit: up_convolution.forward(
            x, weight, bias, unit=unit, output_padding=output_padding, **options
        ),
        backward=lambda position: up_convolution.backward(array(layer.message), weight, position=position, **options),
        gradient=lambda parameter, index: (
            convolution.bias_gradient(array(layer.message), channel=index[0])
            if parameter == "bias"
            else up_convolution.gradient(array(layer.message), x, index=index, kernel_size=weight.shape[2:], **options)
        ),
    )


def fully_connected_rule(layer: Layer, module: nn.Linear) -> Rule:
    """Explain nn.Linear on [batch, features]."""
    x, weight, bias = array(layer.input), array(module.weight), optional(module.bias)
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


def max_pooling_rule(layer: Layer, module: Any) -> Rule:
    """Explain nn.MaxPool1d, 2d and 3d."""
    x, rank = array(layer.input), layer.input.ndim - 2
    options: dict[str, Any] = _pool(module, rank) | {"dilation": _each(module.dilation, rank)}
    return Rule(
        kind="max_pooling",
        weights="1 at the maximum, else 0",
        forward=lambda unit: max_pooling.forward(x, unit=unit, **options),
        backward=lambda position: max_pooling.backward(array(layer.message), x, position=position, **options),
        gradient=no_parameter,
    )


def average_pooling_rule(layer: Layer, module: Any) -> Rule:
    """Explain nn.AvgPool1d, 2d and 3d."""
    x, rank = array(layer.input), layer.input.ndim - 2
    options: dict[str, Any] = _pool(module, rank) | {"count_padding": module.count_include_pad}
    return Rule(
        kind="average_pooling",
        weights="1/n",
        forward=lambda unit: average_pooling.forward(x, unit=unit, **options),
        backward=lambda position: average_pooling.backward(
            array(layer.message), position=position, size=x.shape[2:], **options
        ),
        gradient=no_parameter,
    )


def adaptive_average_pooling_rule(layer: Layer) -> Rule:
    """Explain nn.AdaptiveAvgPool1d, 2d and 3d, and PoolTo."""
    x, outputs = array(layer.input), tuple(layer.output.shape[2:])
    return Rule(
        kind="adaptive_average_pooling",
        weights="1/n",
        forward=lambda unit: adaptive_average_pooling.forward(x, unit=unit, output_size=outputs),
        backward=lambda position: adaptive_average_pooling.backward(
            array(layer.message), position=position, size=x.shape[2:]
        ),
        gradient=no_parameter,
    )


def adaptive_max_pooling_rule(layer: Layer) -> Rule:
    """Explain nn.AdaptiveMaxPool1d, 2d and 3d."""
    x, outputs = array(layer.input), tuple(layer.output.shape[2:])
    return Rule(
        kind="adaptive_max_pooling",
        weights="1 at the maximum, else 0",
        forward=lambda unit: adaptive_max_pooling.forward(x, unit=unit, output_size=outputs),
        backward=lambda position: adaptive_max_pooling.backward(
            array(layer.message), x, position=position, output_size=outputs
        ),
        gradient=no_parameter,
    )


def _sliding(module: Any) -> dict[str, Any]:
    """Return stride, padding, dilation and groups of a convolution module."""
    padding = module.padding if isinstance(module.padding, str) else tuple(module.padding)
    return {"stride": module.stride, "padding": padding, "dilation": module.dilation, "groups": module.groups}


def _pool(module: Any, rank: int) -> dict[str, Any]:
    """Return the options that max and average pooling share."""
    return {
        "kernel_size": _each(module.kernel_size, rank),
        "stride": _each(module.stride, rank),
        "padding": _each(module.padding, rank),
        "rounding": "ceil" if module.ceil_mode else "floor",
    }


def _each(value: Any, rank: int) -> tuple[int, ...]:
    entries = (value,) if isinstance(value, int) else tuple(value)
    return entries * rank if len(entries) == 1 else entries
