"""One unit of a layer of a network, explained: the terms of its value, of a message, of a parameter's gradient.

The arithmetic is that of `convworks.ops.unit`, fed with what the layer really read (`observe`). A layer that has no
definition there is explained by its derivatives at the point where it stood: value = sum of input * derivative + bias.
For a layer that is linear in its input that is its definition; for others it is a tangent, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from convworks.errors import InputError
from convworks.explain import tangent
from convworks.explain.observe import Layer, Observation
from convworks.explain.rules import rule
from convworks.ops.unit.terms import Terms, index_of


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A number of a network, `value`, and the terms that add up to it.

    `kind` is how: the name of a module of `convworks.ops`, or `tangent`. `values_from` and `weights_from` say in which
    tensors the places of the terms lie.
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
    found = _last(observation, layer)
    index = index_of("unit", unit, found.output.shape)
    known = rule(found, observation)
    terms = known.forward(index) if known else tangent.forward(found, index)
    return Explanation(
        layer=found.name,
        what="output",
        index=index,
        kind=known.kind if known else "tangent",
        value=float(found.output[index]),
        terms=terms,
        values_from="input",
        weights_from="weight",
    )


def explain_message(observation: Observation, layer: str, position: Sequence[int]) -> Explanation:
    """Explain the message that a layer sends to one of its inputs: derivative of the loss by that input value."""
    found = _first(observation, layer)
    if found.message is None or found.input_message is None:
        raise InputError("loss", "the network was observed without a loss, there are no messages", "observe with one")
    index = index_of("position", position, found.input.shape)
    known = rule(found, observation)
    terms = known.backward(index) if known else tangent.backward(found, index)
    return Explanation(
        layer=found.name,
        what="message",
        index=index,
        kind=known.kind if known else "tangent",
        value=float(found.input_message[index]),
        terms=terms,
        values_from="message",
        weights_from="weight",
    )


def explain_gradient(observation: Observation, layer: str, parameter: str, index: Sequence[int]) -> Explanation:
    """Explain the derivative of the loss by one entry of a parameter of a layer (`weight`, `bias`)."""
    found = observation.layer(layer)
    own = dict(found.module.named_parameters(recurse=False))
    if parameter not in own:
        known_names = ", ".join(own) or "none"
        raise InputError("parameter", f"{layer} has no parameter {parameter!r} of its own", f"it has: {known_names}")
    full = f"{layer}.{parameter}"
    if full not in observation.gradients:
        raise InputError("loss", f"there is no gradient of {full}", "observe with a loss that depends on it")
    entry = index_of("index", index, own[parameter].shape)
    known = rule(found, observation)
    terms = known.gradient(parameter, entry) if known else tangent.gradient(found, parameter, entry)
    return Explanation(
        layer=layer,
        what=parameter,
        index=entry,
        kind=known.kind if known else "tangent",
        value=float(observation.gradients[full][entry]),
        terms=terms,
        values_from="message" if parameter == "bias" else "input",
        weights_from="message",
    )


def _last(observation: Observation, name: str) -> Layer:
    """Return the layer that made a container's output: a Sequential has that of its last child."""
    layer = observation.layer(name)
    while isinstance(layer.module, nn.Sequential) and len(layer.module):
        children = [child for child, _ in layer.module.named_children()]
        layer = observation.layer(f"{layer.name}.{children[-1]}")
    return layer


def _first(observation: Observation, name: str) -> Layer:
    """Return the layer that read a container's input."""
    layer = observation.layer(name)
    while isinstance(layer.module, nn.Sequential) and len(layer.module):
        children = [child for child, _ in layer.module.named_children()]
        layer = observation.layer(f"{layer.name}.{children[0]}")
    return layer
