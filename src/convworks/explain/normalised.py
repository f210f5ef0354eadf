"""The rules of adaptive pooling, softmax, sigmoid, normalisation by layers and by channels, flattening."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from convworks.explain.observe import Layer
from convworks.explain.rule import Index, Rule, array, no_parameter
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.ops.arrays import Array
from convworks.ops.unit import (
    adaptive_average_pooling,
    layer_normalisation,
    local_response_normalisation,
    sigmoid,
    softmax,
)
from convworks.ops.unit.terms import Terms, terms


def adaptive_pooling_rule(layer: Layer, module: Any) -> Rule:
    """Explain PoolTo and nn.AdaptiveAvgPool1d, 2d and 3d."""
    x = array(layer.input)
    outputs = tuple(layer.output.shape[2:])
    return Rule(
        kind="adaptive_average_pooling",
        weights="1/n",
        forward=lambda unit: adaptive_average_pooling.forward(x, unit=unit, output_size=outputs),
        backward=lambda position: adaptive_average_pooling.backward(
            array(layer.message), position=position, size=x.shape[2:], output_size=outputs
        ),
        gradient=no_parameter,
    )


def softmax_rule(layer: Layer, module: nn.Softmax) -> Rule:
    """Explain nn.Softmax along an axis."""
    assert module.dim is not None
    axis, x = module.dim, array(layer.input)
    return Rule(
        kind="softmax",
        values="exponential of the input",
        weights="1 / sum of exponentials",
        forward=lambda unit: softmax.forward(x, unit=unit, axis=axis),
        backward=lambda position: softmax.backward(array(layer.message), x, position=position, axis=axis),
        gradient=no_parameter,
    )


def sigmoid_rule(layer: Layer) -> Rule:
    """Explain nn.Sigmoid."""
    x = array(layer.input)
    return Rule(
        kind="sigmoid",
        values="sigmoid of the input",
        weights="slope",
        forward=lambda unit: sigmoid.forward(x, unit=unit),
        backward=lambda position: sigmoid.backward(array(layer.message), x, position=position),
        gradient=no_parameter,
    )


def layer_normalisation_rule(layer: Layer, module: nn.LayerNorm) -> Rule:
    """Explain nn.LayerNorm; without parameters, the scale is 1 and the shift 0."""
    x, shape, epsilon = array(layer.input), tuple(module.normalized_shape), module.eps
    scale = np.ones(shape) if module.weight is None else array(module.weight)
    shift = np.zeros(shape) if module.bias is None else array(module.bias)

    def gradient(parameter: str, index: Index) -> Terms:
        message = array(layer.message)
        hats = layer_normalisation.gradient(message, x, entry=index, axes=len(shape), epsilon=epsilon)
        return terms(hats.values, np.ones(len(hats.values)), hats.positions) if parameter == "bias" else hats

    return Rule(
        kind="layer_normalisation",
        weights="slope",
        factors=("message", "normalised input"),
        forward=lambda unit: layer_normalisation.forward(x, scale, shift, unit=unit, epsilon=epsilon),
        backward=lambda position: layer_normalisation.backward(
            array(layer.message), x, scale, position=position, epsilon=epsilon
        ),
        gradient=gradient,
    )


def local_response_rule(layer: Layer, module: Any) -> Rule:
    """Explain LocalResponseNormalisation, and nn.LocalResponseNorm, which divides alpha by its size."""
    x = array(layer.input)
    if isinstance(module, LocalResponseNormalisation):
        options: dict[str, Any] = module.options._asdict()
    else:
        options = {"n": module.size, "k": module.k, "alpha": module.alpha / module.size, "beta": module.beta}
    return Rule(
        kind="local_response_normalisation",
        weights="1 / divisor",
        forward=lambda unit: local_response_normalisation.forward(x, unit=unit, **options),
        backward=lambda position: local_response_normalisation.backward(
            array(layer.message), x, position=position, **options
        ),
        gradient=no_parameter,
    )


def flatten_rule(layer: Layer) -> Rule:
    """Explain nn.Flatten: one term, the same number at another index."""

    def moved(values: Array, index: Index, shape: tuple[int, ...]) -> Terms:
        place = np.unravel_index(np.ravel_multi_index(index, shape), values.shape)
        return terms(values[place].reshape(1), np.ones(1), np.array([place]))

    inputs, outputs = tuple(layer.input.shape), tuple(layer.output.shape)
    return Rule(
        kind="flatten",
        weights="1",
        forward=lambda unit: moved(array(layer.input), unit, outputs),
        backward=lambda position: moved(array(layer.message), position, inputs),
        gradient=no_parameter,
    )
