"""The rules of layers that add up nothing: activations and normalisations, whose messages mix values; reshaping."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from convworks.explain.observe import Layer
from convworks.explain.rule import Index, Rule, array, no_parameter
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.ops.unit import flatten, layer_normalisation, local_response_normalisation, sigmoid, softmax
from convworks.ops.unit.terms import Terms


def sigmoid_rule(layer: Layer) -> Rule:
    """Explain nn.Sigmoid."""
    x = array(layer.input)
    return Rule(
        kind="sigmoid",
        values="exp(input)",
        weights="1 / (1 + exp), or slope",
        forward=lambda unit: sigmoid.forward(x, unit=unit),
        backward=lambda position: sigmoid.backward(array(layer.message), x, position=position),
        gradient=no_parameter,
    )


def softmax_rule(layer: Layer, module: nn.Softmax) -> Rule:
    """Explain nn.Softmax along its axis."""
    x = array(layer.input)
    assert module.dim is not None
    axis = module.dim % x.ndim
    return Rule(
        kind="softmax",
        values="exp(input)",
        weights="1 / sum of exp, or slope",
        forward=lambda unit: softmax.forward(x, unit=unit, axis=axis),
        backward=lambda position: softmax.backward(array(layer.message), x, position=position, axis=axis),
        gradient=no_parameter,
    )


def local_response_rule(layer: Layer, module: LocalResponseNormalisation | nn.LocalResponseNorm) -> Rule:
    """Explain local response normalisation; PyTorch's divides alpha by the number of channels."""
    x = array(layer.input)
    options: dict[str, Any] = (
        module.options._asdict()
        if isinstance(module, LocalResponseNormalisation)
        else {"n": module.size, "k": module.k, "alpha": module.alpha / module.size, "beta": module.beta}
    )
    return Rule(
        kind="local_response_normalisation",
        weights="divisor^-beta, or slope",
        forward=lambda unit: local_response_normalisation.forward(x, unit=unit, **options),
        backward=lambda position: local_response_normalisation.backward(
            array(layer.message), x, position=position, **options
        ),
        gradient=no_parameter,
    )


def layer_normalisation_rule(layer: Layer, module: nn.LayerNorm) -> Rule:
    """Explain nn.LayerNorm."""
    x, shape, epsilon = array(layer.input), tuple(module.normalized_shape), module.eps
    scale = np.ones(shape) if module.weight is None else array(module.weight)
    shift = np.zeros(shape) if module.bias is None else array(module.bias)

    def gradient(parameter: str, index: Index) -> Terms:
        message, axes = array(layer.message), len(shape)
        if parameter == "bias":
            return layer_normalisation.shift_gradient(message, index=index, axes=axes)
        return layer_normalisation.gradient(message, x, index=index, axes=axes, epsilon=epsilon)

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


def flatten_rule(layer: Layer) -> Rule:
    """Explain nn.Flatten: the same numbers in another shape."""
    return Rule(
        kind="flatten",
        weights="1",
        forward=lambda unit: flatten.forward(array(layer.input), unit=unit, output_shape=layer.output.shape),
        backward=lambda position: flatten.backward(array(layer.message), position=position, shape=layer.input.shape),
        gradient=no_parameter,
    )
