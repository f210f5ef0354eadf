"""One number of a bundle's network by the name of its layer: its value, a message, or the gradient of a weight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convworks.errors import InputError
from convworks.explain.attribution.explained import Subject
from convworks.explain.attribution.named import class_number
from convworks.explain.attribution.target import predicted
from convworks.explain.observe import Loss, Observation, observe
from convworks.explain.unit import Explanation, explain_gradient, explain_message, explain_unit
from convworks.inference.predictor import Predictor
from convworks.layers.network import module_name

OUTPUT, MESSAGE, GRADIENT = "output", "message", "gradient"
WEIGHT = "weight"


def explain_number(
    predictor: Predictor,
    subject: Subject,
    layer: str,
    index: Sequence[int],
    *,
    what: str = OUTPUT,
    class_name: str | None = None,
) -> tuple[Explanation, str]:
    """Return the terms of one number for the first image, and the loss in words, if it depends on one.

    `layer` is a tap or the name of a module. `what` is output (`index` is that of a unit: channel, *position), message
    (that of an input value of the layer) or gradient (that of an entry of a parameter, which `layer` may end with:
    stem.conv.bias; else it is the weight). Messages and gradients are derivatives of minus the logarithm of the
    probability of a class, by default the predicted one. Raises InputError for what is not there.
    """
    loss, words = (None, "") if what == OUTPUT else _loss(predictor, subject, class_name)
    observation = observe(subject.network, subject.images[:1], loss)
    if what == GRADIENT:
        name, parameter = _parameter(observation, layer)
        return explain_gradient(observation, name, parameter, tuple(index)), words
    unit = (0, *index)
    name = _layer(observation, layer)
    if what == MESSAGE:
        return explain_message(observation, name, unit), words
    return explain_unit(observation, name, unit), words


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
