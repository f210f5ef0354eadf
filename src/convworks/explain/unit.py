"""One unit of a layer of a network, explained: the terms of its value, of a message, of a parameter's gradient.

The arithmetic is that of `convworks.ops.unit`, fed with what the layer really read (`observe`). A layer that has no
definition there is explained by its derivatives where it stood: value = sum of input * derivative + bias. For a layer
that is linear in its input that is its definition; for others it is the tangent.
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

#: How far a sum may lie from the tensor, in units of the last place of its type and of the size of its terms. A
#: tangent may be that of a whole block, through which rounding errors grow.
ROUNDING = 300.0
ROUNDING_OF_BLOCKS = 1e5


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A number of a network, `value`, and the terms that add up to it.

    `kind` is how: the name of a module of `convworks.ops`, or `tangent`. `values_from` and `weights_from` say what the
    values and the weights of the terms are, and in which tensor their places lie.
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
    """Explain one output value of a layer, unit being its index (sample, channel, *place).

    Raises InputError for a layer that is not there and an index outside its output.
    """
    whole = observation.layer(layer)
    found = _descend(observation, whole, -1)
    index = index_of("unit", unit, whole.output.shape)
    known = rule(found, observation)
    explained = known.forward(index) if known else tangent.forward(found, index)
    return _checked(
        Explanation(
            layer=found.name,
            what="output",
            index=index,
            kind=known.kind if known else "tangent",
            value=float(whole.output[index]),
            terms=explained,
            values_from=known.values if known else "input",
            weights_from=known.weights if known else "derivative",
        ),
        whole.output,
    )


def explain_message(observation: Observation, layer: str, position: Sequence[int]) -> Explanation:
    """Explain the message that a layer sends to one of its inputs: the derivative of the loss by that input value."""
    whole = observation.layer(layer)
    found = _descend(observation, whole, 0)
    if found.message is None or found.input_message is None or whole.input_message is None:
        raise _no_message(observation, layer)
    index = index_of("position", position, whole.input.shape)
    known = rule(found, observation)
    explained = known.backward(index) if known else tangent.backward(found, index)
    return _checked(
        Explanation(
            layer=found.name,
            what="message",
            index=index,
            kind=known.kind if known else "tangent",
            value=float(whole.input_message[index]),
            terms=explained,
            values_from=known.messages if known else "message",
            weights_from=known.weights if known else "derivative",
        ),
        whole.input_message,
    )


def explain_gradient(observation: Observation, layer: str, parameter: str, index: Sequence[int] | int) -> Explanation:
    """Explain the derivative of the loss by one entry of a parameter of a layer (`weight`, `bias`).

    A parameter that several calls or layers share gets the terms of all of them.
    """
    name = layer if layer in observation.layers else f"{layer}[1]" if f"{layer}[1]" in observation.layers else layer
    found = observation.layer(name)
    own = dict(found.module.named_parameters(recurse=False))
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
        (call, theirs)
        for call in observation.layers.values()
        for theirs, value in call.module.named_parameters(recurse=False)
        if value is own[parameter] and call.message is not None
    ]
    rules = [rule(call, observation) for call, _ in owners]
    parts = [
        known.gradient(theirs, entry) if known else tangent.gradient(call, theirs, entry)
        for known, (call, theirs) in zip(rules, owners, strict=True)
    ]
    known = rules[0]
    values, weights = known.gradient_from(parameter) if known else ("message", "derivative")
    return _checked(
        Explanation(
            layer=layer,
            what=parameter,
            index=entry,
            kind=known.kind if known else "tangent",
            value=float(observation.gradients[full][entry]),
            terms=_joined(parts),
            values_from=values,
            weights_from=weights,
        ),
        observation.gradients[full],
    )


def _descend(observation: Observation, layer: Layer, end: int) -> Layer:
    """Return the layer at an end of a container: what a Sequential gives is what its last child gives."""
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
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.weight_places for part in parts]),
        sum(part.bias for part in parts),
    )


def _checked(found: Explanation, tensor: Tensor) -> Explanation:
    """Return an explanation whose terms add up; a layer that computes something else than it seems gets none."""
    size = float(np.abs(found.terms.products).sum()) + abs(found.terms.bias) + abs(found.value)
    rounding = ROUNDING_OF_BLOCKS if found.kind == "tangent" else ROUNDING
    allowed = rounding * torch.finfo(tensor.dtype).eps * size
    if not abs(found.terms.sum - found.value) <= allowed:
        reason = f"has {found.value:.6g}, its terms by {found.kind} add up to {found.terms.sum:.6g}"
        raise InputError(
            f"layer {found.layer}", reason, "it computes something else than its kind does: explain its parts"
        )
    return found


def _no_message(observation: Observation, layer: str) -> InputError:
    if observation.loss is None:
        return InputError("loss", "the network was observed without a loss, there are no messages", "observe with one")
    return InputError(
        "loss", f"no message reaches {layer}: the loss does not depend on it", "choose another layer or loss"
    )
