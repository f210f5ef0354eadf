"""The images of a bundle, explained: what was read, what was predicted, what is explained, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from convworks.data.decode.any_image import list_images
from convworks.data.decode.decode import probe
from convworks.errors import InputError
from convworks.explain.attribution.attribute import Attributions, Report, attribute, with_activation
from convworks.explain.attribution.methods import METHODS, Method, with_taps
from convworks.explain.attribution.named import class_number, parse_unit
from convworks.explain.attribution.passes import in_chunks, outputs_of, scores_of
from convworks.explain.attribution.target import Target, class_target, predicted, unit_target
from convworks.inference.predictor import Predictor

#: How the class is named that the network predicts, which is another one for each image.
PREDICTED = "the predicted class"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Images as a network reads them: their names, pixels and normalised values, and the outputs for them.

    `notes` say which files were fitted to the network's input.
    """

    network: nn.Module
    names: tuple[str, ...]
    pictures: tuple[UInt8[np.ndarray, "h w c"], ...]
    images: Float[Tensor, "b c h w"]
    outputs: Float[Tensor, "b k *map"]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Images with what was explained of each: its name, its score, and the attributions by method."""

    subject: Subject
    target: Target
    targets: tuple[str, ...]
    scores: Float[Tensor, " b"]
    attributions: Attributions


def read_subject(predictor: Predictor, images: object) -> Subject:
    """Read images of any supported type (any_image.py) as a bundle says, and run its network on them in float32."""
    listed = list_images(images)
    if not listed.images:
        raise InputError("images", "are none", "give an image")
    input, network = predictor.input, predictor.trained
    samples = input.stack([input.read(name, image) for name, image in zip(listed.names, listed.images, strict=True)])
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    normalised = input.normalise(samples.to(device)).float()
    outputs = torch.cat([outputs_of(network, normalised[part]) for part in in_chunks(len(normalised), normalised[0])])
    return Subject(
        network=network,
        names=tuple(listed.names),
        pictures=tuple(input.picture(sample) for sample in samples),
        images=normalised,
        outputs=outputs,
        notes=tuple(_fitted(predictor, listed.images)),
    )


def _fitted(predictor: Predictor, images: Sequence[object]) -> list[str]:
    """Say of each file in another size how it was fitted to the input."""
    notes = []
    preprocessing, want = predictor.bundle.preprocessing, tuple(predictor.input.size)
    for image in images:
        if not isinstance(image, str | Path):
            continue
        header = probe(Path(image), max_pixels=None)
        if (header.height, header.width) != want:
            size = "x".join(map(str, reversed(want)))
            notes.append(f"{image}: {header.width}x{header.height} pixels, read as {size} ({preprocessing.fit})")
    return notes


def explain_subject(
    predictor: Predictor,
    subject: Subject,
    target: Target,
    methods: Sequence[str],
    *,
    taps: Sequence[str] = (),
    required: bool = True,
    report: Report | None = None,
) -> Explained:
    """Explain a target by methods, with verdicts; `required` methods are refused where the network cannot do them."""
    chosen: dict[str, Method] = with_taps({name: METHODS[name] for name in methods}, taps)
    network, images = subject.network, subject.images
    probabilities = with_activation(network, predictor.task.activation.apply)
    measured = probabilities if target.tap is None and predictor.classes else network
    attributions = attribute(network, images, target, chosen, measured=measured, required=required, report=report)
    return Explained(
        subject=subject,
        target=target,
        targets=tuple(_named(predictor, target)),
        scores=scores_of(network, images, target),
        attributions=attributions,
    )


def _named(predictor: Predictor, target: Target) -> list[str]:
    """Name what is explained of each image; the predicted class is another one for each."""
    numbers = target.channels.tolist()
    if target.tap is not None or not predictor.classes:
        return [target.name] * len(numbers)
    return [target.name.replace(PREDICTED, f"class {predictor.classes[number]}") for number in numbers]


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
        return unit_target(unit, index, outputs_of(subject.network, subject.images[:1], tap), tap=tap).rows(
            torch.zeros(len(subject.images), dtype=torch.long)
        )
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
        raise InputError("--pixel", reason, "give row and column, counted from 0")
    here = tuple(pixel)
    channels = outputs.argmax(1).movedim(0, -1)[here] if number is None else torch.full((len(outputs),), number)
    where = torch.zeros(len(outputs), *size, dtype=torch.bool)
    where.movedim(0, -1)[here] = True
    return Target(name=f"{name} at pixel {written}", channels=channels.cpu(), where=where)
