"""An ensemble, or a network under a protocol, as one predictor: for outputs that are averaged batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convworks.errors import InputError
from convworks.inference.averaged import AveragedRuntime
from convworks.inference.combination import PROBABILITY
from convworks.inference.map_ensemble import MapEnsemble
from convworks.inference.predictor import Predictor
from convworks.inference.protocol import CENTER, named
from convworks.inference.reader import EnsembleReader, Reader


def together(members: Sequence[Predictor], protocol: str = CENTER, combination: str = PROBABILITY) -> Predictor:
    """Return a predictor that gives the combined answers of networks of one task and the same classes.

    Raises InputError for networks that do not read images of one size, treated alike.
    """
    first, *others = members
    for other in others:
        if (reads := reads_of(other)) != reads_of(first):
            reason = f"reads {reads}, the first network {reads_of(first)}: masks of other pixels are not averaged"
            raise InputError(other.bundle.model.title, reason, "evaluate networks that read alike")
    mirrored = named(protocol).mirrored
    if not others and not mirrored:
        return first
    runtime = AveragedRuntime(
        members=tuple([member.runtime for member in members]),
        activation=first.task.activation,
        mirrored=mirrored,
        combination=combination,
    )
    return replace(first, chosen=runtime)


def reader_of(members: Sequence[Predictor], combination: str = PROBABILITY) -> Reader:
    """Return what reads images as each of the networks does, and gives their combined answers."""
    first = members[0]
    if len(members) == 1:
        return first.reader
    if first.task.per_pixel:
        return MapEnsemble(members=tuple([member.mapper for member in members]), combination=combination)
    readers = tuple([member.reader for member in members])
    return EnsembleReader(members=readers, activation=first.task.activation, combination=combination)


def reads_of(predictor: Predictor) -> str:
    """Describe the pixels that a network reads of an image."""
    preprocessing = predictor.bundle.preprocessing
    part = f" of {preprocessing.crop_fraction:g}" if preprocessing.crop_fraction != 1 else ""
    return f"{'x'.join(map(str, (*preprocessing.size, preprocessing.channels)))} ({preprocessing.fit}{part})"
