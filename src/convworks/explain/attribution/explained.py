"""The images of a bundle, explained: what was read, what was predicted, what is explained, and how."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from convworks.data.decode.any_image import list_images
from convworks.data.decode.decode import probe
from convworks.errors import InputError, naming
from convworks.explain.attribution.attribute import STEPS, Attributions, Report, attribute, with_activation
from convworks.explain.attribution.methods import METHODS, with_taps
from convworks.explain.attribution.named import class_number, parse_unit
from convworks.explain.attribution.passes import answers_of, outputs_of, scores_of
from convworks.explain.attribution.target import Target, class_target, predicted, unit_target
from convworks.explain.attribution.verdict import DRAWS, TESTED, Weights, finite
from convworks.files import path_of
from convworks.inference.predictor import Predictor

#: How the class is named that the network predicts, which is another one for each image.
PREDICTED = "the predicted class"
#: Images that are explained at a time where their maps go to files; the weights are tested on the first of them.
GROUP = 2 * TESTED


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is explained of each image, and by which methods: the `required` (None: all), and others where possible.

    `unit` is TAP:channel,*position; without one it is a class (by name or number; default: the predicted one), of a
    mask at a `pixel` or where it is predicted. `taps` are for Grad-CAM.
    """

    methods: tuple[str, ...]
    class_name: str | None = None
    unit: str | None = None
    pixel: Sequence[int] | None = None
    taps: tuple[str, ...] = ()
    required: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Images as a network reads them: their names, pixels and normalised values, and the outputs for them.

    `notes` say how files were fitted to the network's input.
    """

    network: nn.Module
    names: tuple[str, ...]
    pictures: tuple[UInt8[np.ndarray, "h w c"], ...]
    images: Float[Tensor, "b c h w"]
    outputs: Float[Tensor, "b k *map"]
    notes: tuple[str, ...]


class Answered(NamedTuple):
    """What a network says of an image: the class of the largest probability, and that of the class that is explained.

    The latter is None where a unit is explained.
    """

    predicted: str
    largest: float
    probability: float | None

    def __str__(self) -> str:
        own = "" if self.probability is None else f"probability {self.probability:.1%}; "
        return f"{own}predicted: {self.predicted}, {self.largest:.1%}"

    def values(self) -> dict[str, Any]:
        """Return it as plain values."""
        own = {} if self.probability is None else {"probability": finite(self.probability)}
        return {**own, "predicted": {"class": self.predicted, "probability": finite(self.largest)}}


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Images with what was explained of each: its name, its score, and the attributions by method.

    There are no `answers` where a network gives no class for each image.
    """

    subject: Subject
    target: Target
    targets: tuple[str, ...]
    scores: Float[Tensor, " b"]
    answers: tuple[Answered, ...]
    attributions: Attributions


def explain_images(
    predictor: Predictor,
    images: object,
    request: Request,
    *,
    weights: Mapping[str, Weights] | None = None,
    report: Report = lambda: None,
) -> Explained:
    """Explain images of any supported type, with verdicts; `weights` are tests that were made before.

    Raises InputError for what is not there, and for required methods that the network cannot do.
    """
    subject, target = _subject_and_target(predictor, images, request)
    network = subject.network
    methods = with_taps({name: METHODS[name] for name in request.methods}, request.taps)
    probabilities = with_activation(network, predictor.task.activation.apply)
    attributions = attribute(
        network,
        subject.images,
        target,
        methods,
        measured=probabilities if target.tap is None and predictor.classes else network,
        required=request.required,
        weights=weights,
        report=report,
    )
    return Explained(
        subject=subject,
        target=target,
        targets=tuple(_named(predictor, target)),
        scores=scores_of(network, subject.images, target),
        answers=tuple(_answers(predictor, subject, target)),
        attributions=attributions,
    )


def explain_groups(
    predictor: Predictor, images: Sequence[object], request: Request, *, report: Report = lambda: None
) -> Iterator[Explained]:
    """Explain many images, a group at a time: the memory does not grow with them. The first tests the weights.

    Raises InputError before any is explained for an image that cannot be read, or does not have what is explained.
    """
    parts = [images[first : first + GROUP] for first in range(0, len(images), GROUP)]
    for part in parts if len(parts) > 1 else ():  # one forward pass, of the many that an explanation takes
        _subject_and_target(predictor, part, request)
    weights = None
    for part in parts:
        explained = explain_images(predictor, part, request, weights=weights, report=report)
        by_method = explained.attributions.by_method
        weights = {name: each.weights for name, each in by_method.items()}
        request = replace(request, methods=tuple(by_method), required=None)
        yield explained


def _subject_and_target(predictor: Predictor, images: object, request: Request) -> tuple[Subject, Target]:
    subject = read_subject(predictor, images)
    target = target_of(predictor, subject, class_name=request.class_name, unit=request.unit, pixel=request.pixel)
    return subject, target


def steps(methods: int, groups: int = 1) -> int:
    """Return how many steps some methods take at most, as they are reported."""
    return STEPS * methods * groups + DRAWS


def read_subject(predictor: Predictor, images: object) -> Subject:
    """Read images of any supported type (any_image.py) as a bundle says, and run its network on them in float32."""
    listed = list_images(images)
    if not listed.images:
        raise InputError("images", "are none", "give an image")
    input, network = predictor.input, predictor.trained
    samples = input.stack([input.read(name, image) for name, image in zip(listed.names, listed.images, strict=True)])
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    normalised = input.normalise(samples.to(device)).float()
    return Subject(
        network=network,
        names=tuple(listed.names),
        pictures=tuple(input.picture(sample) for sample in samples),
        images=normalised,
        outputs=answers_of(network, normalised),
        notes=tuple(_fitted(predictor, listed.images)),
    )


def _fitted(predictor: Predictor, images: Sequence[object]) -> list[str]:
    """Say of each file that is not read as it is how it was fitted to the input."""
    notes = []
    preprocessing, want = predictor.bundle.preprocessing, tuple(predictor.input.size)
    cropped = preprocessing.fit == "crop" and preprocessing.crop_fraction < 1
    fit = f"the central {preprocessing.crop_fraction:.3g} of it" if cropped else preprocessing.fit
    for image in images:
        if not isinstance(image, str | os.PathLike):
            continue
        path = os.fsdecode(image)
        header = probe(path_of(path), max_pixels=None)
        if cropped or (header.height, header.width) != want:
            size = "x".join(map(str, reversed(want)))
            notes.append(f"{path}: {header.width}x{header.height} pixels, read as {size} ({fit})")
    return notes


def _named(predictor: Predictor, target: Target) -> list[str]:
    """Name what is explained of each image; the predicted class is another one for each."""
    numbers = target.channels.tolist()
    if target.tap is not None or not predictor.classes:
        return [target.name] * len(numbers)
    return [target.name.replace(PREDICTED, f"class {predictor.classes[number]}") for number in numbers]


def _answers(predictor: Predictor, subject: Subject, target: Target) -> list[Answered]:
    """Return what the network says of each image, if it gives a class for each."""
    if not predictor.classes or subject.outputs.ndim != 2:
        return []
    probabilities = predictor.task.activation.apply(subject.outputs.cpu())
    answers = []
    for row, best, number in zip(probabilities, predicted(subject.outputs), target.channels, strict=True):
        own = None if target.tap is not None else float(row[number])
        answers.append(Answered(predictor.classes[int(best)], float(row[best]), own))
    return answers


def target_of(
    predictor: Predictor,
    subject: Subject,
    *,
    class_name: str | None = None,
    unit: str | None = None,
    pixel: Sequence[int] | None = None,
) -> Target:
    """Return what is explained: a class (by its name or number; default: the predicted one), a pixel of it, or a unit.

    `unit` is TAP:channel,*position. Raises InputError for a class, tap, unit or pixel that is not there.
    """
    if unit is not None:
        if class_name is not None or pixel is not None:
            raise InputError("--unit", "is explained instead of a class", "leave out --class and --pixel")
        tap, index = parse_unit(unit)
        with naming("--unit", "tap"):
            values = outputs_of(subject.network, subject.images[:1], tap)
        return unit_target(unit, index, values, tap=tap).rows(torch.zeros(len(subject.images), dtype=torch.long))
    if not predictor.classes:
        reason = f"{predictor.task.does}: it has no classes"
        raise InputError(predictor.bundle.model.name, reason, "name a unit: --unit TAP:c,y,x")
    number = None if class_name is None else class_number(predictor.classes, class_name)
    name = PREDICTED if number is None else f"class {predictor.classes[number]}"
    if pixel is not None:
        return _pixel_target(predictor, subject.outputs, pixel, number, name)
    return class_target(name, predicted(subject.outputs) if number is None else number, subject.outputs, subject.names)


def _pixel_target(
    predictor: Predictor, outputs: Float[Tensor, "b k *map"], pixel: Sequence[int], number: int | None, name: str
) -> Target:
    """Return the score of a class at one pixel of the mask, by default of the class that is predicted there."""
    size = outputs.shape[2:]
    if not size:
        raise InputError("--pixel", f"is for masks, but this network {predictor.task.does}", "leave it out")
    written = ",".join(map(str, pixel))
    if len(pixel) != len(size) or any(not 0 <= at < side for at, side in zip(pixel, size, strict=False)):
        reason = f"{written} is not in the mask, whose size is {'x'.join(map(str, size))}"
        raise InputError("--pixel", reason, "give row and column, counted from 0 in the network's size")
    here = tuple(pixel)
    channels = outputs.argmax(1).movedim(0, -1)[here] if number is None else torch.full((len(outputs),), number)
    where = torch.zeros(len(outputs), *size, dtype=torch.bool)
    where.movedim(0, -1)[here] = True
    return Target(name=f"{name} at pixel {written}", channels=channels.cpu(), where=where)
