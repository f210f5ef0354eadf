"""Explain one unit of a layer: the terms of its value, of a message, or of a parameter gradient.

The arithmetic is that of `convworks.ops.unit`, applied to the observed input of the layer (`observe`). A layer without
a definition there is explained by its derivatives at that point: value = sum of input * derivative + bias. For a layer
that is linear in its input this is exact; for others it is the tangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.explain import tangent
from convworks.explain.observe import Layer, Observation
from convworks.explain.rules import rule
from convworks.ops.unit.terms import Terms, index_of, terms

#: Tolerance of a sum, in units of machine epsilon and of the magnitude of its terms. A tangent may be that of a whole
#: block, through which rounding errors grow.
ROUNDING = 300.0
ROUNDING_OF_BLOCKS = 1e5


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A number computed by a network, `value`, and the terms that add up to it.

    `kind` names the operation: a module of `convworks.ops`, or `tangent`. `values_from` and `weights_from` name the
    tensors that the values and weights of the terms are read from.
    """

    layer: str
    what: str
    index: tuple[int, ...]
    kind: str
    value: float
    terms: Terms
    values_from: str
    weights_from: str


def explain_unit(observation: Observation, layer: str, unit: Sequence[int]) -> Explanation:
    """Explain one output value of a layer; `unit` is its index (sample, channel, *position).

    Raises InputError for an unknown layer and an index outside its output.
    """
    outer_layer = observation.layer(layer)
    inner_layer = _descend(observation, outer_layer, -1)
    index = index_of("unit", unit, outer_layer.output.shape)
    layer_rule = rule(inner_layer, observation)
    layer_terms = layer_rule.forward(index) if layer_rule else tangent.forward(inner_layer, index)
    return _checked(
        Explanation(
            layer=inner_layer.name,
            what="output",
            index=index,
            kind=layer_rule.kind if layer_rule else "tangent",
            value=float(outer_layer.output[index]),
            terms=layer_terms,
            values_from=layer_rule.values if layer_rule else "input",
            weights_from=layer_rule.weights if layer_rule else "derivative",
        ),
        outer_layer.output,
    )


def explain_message(observation: Observation, layer: str, position: Sequence[int]) -> Explanation:
    """Explain the message that a layer sends to one of its inputs: the derivative of the loss by that input value."""
    outer_layer = observation.layer(layer)
    inner_layer = _descend(observation, outer_layer, 0)
    if inner_layer.message is None or inner_layer.input_message is None or outer_layer.input_message is None:
        raise _no_message(observation, layer)
    index = index_of("position", position, outer_layer.input.shape)
    layer_rule = rule(inner_layer, observation)
    layer_terms = layer_rule.backward(index) if layer_rule else tangent.backward(inner_layer, index)
    return _checked(
        Explanation(
            layer=inner_layer.name,
            what="message",
            index=index,
            kind=layer_rule.kind if layer_rule else "tangent",
            value=float(outer_layer.input_message[index]),
            terms=layer_terms,
            values_from=layer_rule.messages if layer_rule else "message",
            weights_from=layer_rule.weights if layer_rule else "derivative",
        ),
        outer_layer.input_message,
    )


def explain_gradient(observation: Observation, layer: str, parameter: str, index: Sequence[int] | int) -> Explanation:
    """Explain the derivative of the loss by one entry of a parameter of a layer (`weight`, `bias`).

    A parameter that several calls or layers share gets the terms of all of them.
    """
    name = layer if layer in observation.layers else f"{layer}[1]" if f"{layer}[1]" in observation.layers else layer
    observed = observation.layer(name)
    own = dict(observed.module.named_parameters(recurse=False))
    if parameter not in own:
        raise InputError(
            "parameter", f"{layer} has no parameter {parameter!r} of its own", f"it has: {', '.join(own) or 'none'}"
        )
    full = ".".join(filter(None, (layer.partition("[")[0], parameter)))
    if full not in observation.gradients:
        if not own[parameter].requires_grad:
            raise InputError(
                "parameter", f"{full} is frozen, it gets no gradient", "set requires_grad before observing"
            )
        raise _no_message(observation, layer)
    entry = index_of("index", (index,) if isinstance(index, int) else index, own[parameter].shape)
    owners = [
        (call, parameter_name)
        for call in observation.layers.values()
        for parameter_name, value in call.module.named_parameters(recurse=False)
        if value is own[parameter] and call.message is not None
    ]
    rules = [rule(call, observation) for call, _ in owners]
    parts = [
        layer_rule.gradient(parameter_name, entry) if layer_rule else tangent.gradient(call, parameter_name, entry)
        for layer_rule, (call, parameter_name) in zip(rules, owners, strict=True)
    ]
    layer_rule = rules[0]
    values, weights = layer_rule.gradient_from(parameter) if layer_rule else ("message", "derivative")
    return _checked(
        Explanation(
            layer=layer,
            what=parameter,
            index=entry,
            kind=layer_rule.kind if layer_rule else "tangent",
            value=float(observation.gradients[full][entry]),
            terms=_joined(parts),
            values_from=values,
            weights_from=weights,
        ),
        observation.gradients[full],
    )


def _descend(observation: Observation, layer: Layer, end: int) -> Layer:
    """Return the layer at one end of a container: the output of a Sequential is that of its last child."""
    while type(layer.module).forward is nn.Sequential.forward and len(layer.module._modules):
        child = list(layer.module._modules)[end]
        name = f"{layer.name}.{child}" if layer.name else child
        if name not in observation.layers:  # called several times, or no layer of one tensor
            return layer
        layer = observation.layers[name]
    return layer


def _joined(parts: Sequence[Terms]) -> Terms:
    """Return the terms of several calls as one sum."""
    if len(parts) == 1:
        return parts[0]
    return terms(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.weight_positions for part in parts]),
        sum(part.bias for part in parts),
    )


def _checked(explanation: Explanation, tensor: Tensor) -> Explanation:
    """Return the explanation, or raise InputError if its terms do not add up to the value."""
    size = float(np.abs(explanation.terms.products).sum()) + abs(explanation.terms.bias) + abs(explanation.value)
    rounding = ROUNDING_OF_BLOCKS if explanation.kind == "tangent" else ROUNDING
    tolerance = rounding * torch.finfo(tensor.dtype).eps * size
    if not abs(explanation.terms.sum - explanation.value) <= tolerance:
        reason = f"has {explanation.value:.6g}, its terms by {explanation.kind} add up to {explanation.terms.sum:.6g}"
        raise InputError(
            f"layer {explanation.layer}", reason, "it computes something else than its kind does: explain its parts"
        )
    return explanation


def _no_message(observation: Observation, layer: str) -> InputError:
    if observation.loss is None:
        return InputError("loss", "the network was observed without a loss, there are no messages", "observe with one")
    return InputError(
        "loss", f"no message reaches {layer}: the loss does not depend on it", "choose another layer or loss"
    )
