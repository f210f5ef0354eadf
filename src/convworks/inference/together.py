"""An ensemble, or a network under a protocol, as one predictor: for outputs that are averaged batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convworks.errors import InputError
from convworks.inference.averaged import AveragedRuntime
from convworks.inference.combination import PROBABILITY
from convworks.inference.predictor import Predictor
from convworks.inference.protocol import CENTER, named


def together(members: Sequence[Predictor], protocol: str = CENTER, combination: str = PROBABILITY) -> Predictor:
    """Return a predictor that gives the combined answers of networks of one task and the same classes.

    Raises InputError for networks that do not read images of one size, treated alike.
    """
    first, *others = members
    for other in others:
        if (reads := _reads(other)) != _reads(first):
            reason = f"reads {reads}, the first network {_reads(first)}: masks of other pixels are not averaged"
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


def _reads(predictor: Predictor) -> str:
    """Describe the pixels that a network reads of an image."""
    preprocessing = predictor.bundle.preprocessing
    return f"{'x'.join(map(str, (*preprocessing.size, preprocessing.channels)))} ({preprocessing.fit})"
