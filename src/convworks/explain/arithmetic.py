"""One number of a bundle's network by the name of its layer: its value, a message, or the gradient of a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convworks.errors import InputError, counted, naming
from convworks.explain.attribution.explained import Subject
from convworks.explain.attribution.named import class_number
from convworks.explain.attribution.target import predicted
from convworks.explain.observe import Loss, Observation, observe
from convworks.explain.unit import Explanation, explain_gradient, explain_message, explain_unit
from convworks.inference.predictor import Predictor
from convworks.layers.network import module_name

OUTPUT, MESSAGE, GRADIENT = "output", "message", "gradient"
WEIGHT = "weight"


@dataclass(frozen=True, kw_only=True)
class Number:
    """One number with its terms, whose indices are as users count: without the axis of images.

    `loss` is that of which it is a derivative, in words `loss_of`; None and nothing for an output.
    """

    explanation: Explanation
    loss: float | None
    loss_of: str


def explain_number(
    predictor: Predictor,
    subject: Subject,
    layer: str,
    index: Sequence[int],
    *,
    what: str = OUTPUT,
    class_name: str | None = None,
) -> Number:
    """Return the terms of one number for the first image, and the loss, if it depends on one.

    `layer` is a tap or the name of a module. `what` is output (`index` is that of a unit: channel, *position), message
    (that of an input value of the layer) or gradient (that of an entry of a parameter, which `layer` may end with:
    stem.conv.bias; else it is the weight). Messages and gradients are derivatives of minus the logarithm of the
    probability of a class, by default the predicted one. Raises InputError for what is not there.
    """
    loss, words = (None, "") if what == OUTPUT else _loss(predictor, subject, class_name)
    observation = observe(subject.network, subject.images[:1], loss)
    with naming("--unit", "layer", "parameter"):
        explanation = _explained(observation, layer, index, what)
    return Number(explanation=_without_images(explanation, what), loss=observation.loss, loss_of=words)


def _explained(observation: Observation, layer: str, index: Sequence[int], what: str) -> Explanation:
    if what == GRADIENT:
        name, parameter = _parameter(observation, layer)
        entries = _shape_of(observation, name, parameter)
        if entries is not None:
            _check_index(index, entries, f"the entries of {name}.{parameter}")
        return explain_gradient(observation, name, parameter, tuple(index))
    name = _layer(observation, layer)
    observed = observation.layer(name)
    unit = (0, *index)
    if what == MESSAGE:
        _check_index(index, observed.input.shape[1:], f"the inputs of {layer}")
        return explain_message(observation, name, unit)
    _check_index(index, observed.output.shape[1:], f"the units of {layer}", "; a whole channel has a map: add --method")
    return explain_unit(observation, name, unit)


def _without_images(explanation: Explanation, what: str) -> Explanation:
    """Return an explanation whose indices have no axis of images: there is one image.

    Weights have none, but in the gradient of a weight the second factor is an entry of an activation, too.
    """
    terms = replace(explanation.terms, positions=explanation.terms.positions[:, 1:])
    if what == GRADIENT:
        return replace(explanation, terms=replace(terms, weight_positions=terms.weight_positions[:, 1:]))
    return replace(explanation, index=explanation.index[1:], terms=terms)


def _shape_of(observation: Observation, layer: str, parameter: str) -> Sequence[int] | None:
    """Return the shape of a parameter of a layer, by whatever name; None if there is none."""
    name = layer.partition("[")[0]
    called = next((call for call in observation.layers.values() if call.name.partition("[")[0] == name), None)
    own = {} if called is None else dict(called.module.named_parameters(recurse=False))
    return own[parameter].shape if parameter in own else None


def _check_index(index: Sequence[int], shape: Sequence[int], of: str, more: str = "") -> None:
    """Raise InputError unless an index names one entry of a shape, as users count: without the axis of images."""
    written, within = ",".join(map(str, index)), "x".join(map(str, shape))
    if len(index) != len(shape):
        reason = (
            f"{of} are {within}, which needs {counted(len(shape), 'index', 'indices')}, got {len(index)}: {written}"
        )
        raise InputError("--unit", reason, f"count from 0{more}")
    if any(entry >= side for entry, side in zip(index, shape, strict=True)):
        raise InputError("--unit", f"{written} is outside {of}, which are {within}", "count from 0")


def _loss(predictor: Predictor, subject: Subject, class_name: str | None) -> tuple[Loss, str]:
    """Return minus the log probability of a class, for a mask the mean over its pixels."""
    if not predictor.classes:
        reason = f"{predictor.task.does}: it has no classes, of which the loss could be taken"
        raise InputError(predictor.bundle.model.name, reason, "leave out --message and --gradient")
    number = int(predicted(subject.outputs)[0]) if class_name is None else class_number(predictor.classes, class_name)
    activate = predictor.task.activation.apply

    def loss(outputs: Tensor) -> Tensor:
        return -activate(outputs.double())[:, number].clamp(min=torch.finfo(torch.float64).tiny).log().mean()

    return loss, f"-log of the probability of class {predictor.classes[number]}"


def _layer(observation: Observation, name: str) -> str:
    """Return the name of a layer in an observation, which has modules by theirs; a tap stands for its module."""
    return name if name in observation.layers or module_name(name) not in observation.layers else module_name(name)


def _parameter(observation: Observation, name: str) -> tuple[str, str]:
    """Divide the name of a parameter into that of its layer and its own; a layer alone stands for its weight."""
    layer = _layer(observation, name)
    before, dot, last = name.rpartition(".")
    if layer in observation.layers or not dot:
        return layer, WEIGHT
    return _layer(observation, before), last
