"""Scorers of networks: one view or several, one network or an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from convworks.data.decode.decode import read
from convworks.data.decode.picture import picture_of
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.input import Input
from convworks.data.inputs.kinds import input_of
from convworks.data.location import Location
from convworks.inference.bulk.scorer import MOST, Scorer
from convworks.inference.combination import PROBABILITY
from convworks.inference.ensemble import combined
from convworks.inference.limits import batch_size
from convworks.inference.protocol import Image, Protocol, views
from convworks.inference.runtime import Activating, Runtime, marked
from convworks.inference.test_time_views import decoded_size, mean_over_views
from convworks.tasks.activations import Activation

#: Files of a batch of views, at most.
MOST_VIEWED = 16


def of_one_view(runtime: Runtime, input: Input, activation: Activation) -> Scorer:
    """Return the scorer of a network for images as in training."""

    def score(samples: Sequence[np.ndarray]) -> Float32[np.ndarray, "b *output"]:
        batch = input.stack(samples).to(runtime.device)
        with runtime.ready():
            if isinstance(runtime, Activating):  # so that the file alone gives the same bits
                outputs, activated = runtime.both(batch)
                values: np.ndarray = marked(lambda _: activated, outputs).numpy()
                return values
            outputs = runtime(batch)
        values = marked(activation.apply, outputs).cpu().numpy()
        return values

    return Scorer(
        prepare=input.decode,
        blank=input.decoded(input.blank(1))[0],
        score=score,
        batch=min(MOST, batch_size(runtime.device.type, input.size)),
    )


def of_views(runtime: Runtime, preprocessing: Preprocessing, activation: Activation, protocol: Protocol) -> Scorer:
    """Return the scorer of a network for the mean over the views of a protocol.

    For a dense protocol, the runtime computes maps of outputs (test_time_views.py `prepared`).
    """
    channels, at_least = preprocessing.channels, decoded_size(protocol, preprocessing)

    def prepare(file: Location) -> list[Image]:
        picture = read(file, channels=channels, at_least=at_least, decoding=preprocessing.decoding)
        return views(picture, protocol, preprocessing, where=file)

    def score(images: Sequence[Sequence[Image]]) -> Float32[np.ndarray, "b k"]:
        return mean_over_views(protocol, runtime, images, activation)

    nothing = np.zeros((*preprocessing.size, channels), np.uint8)
    return Scorer(
        prepare=prepare,
        blank=views(picture_of(nothing), protocol, preprocessing),
        score=score,
        batch=min(MOST_VIEWED, batch_size(runtime.device.type, input_of(preprocessing).size)),
    )


def of_ensemble(members: Sequence[Scorer], activation: Activation, combination: str = PROBABILITY) -> Scorer:
    """Return the scorer of several networks (inference/ensemble.py); each decodes a file by itself."""
    if len(members) == 1:
        return members[0]

    def score(samples: Sequence[Sequence[Any]]) -> Float32[np.ndarray, "b *output"]:
        each = [member.score(own) for member, own in zip(members, zip(*samples, strict=True), strict=True)]
        return combined(np.stack(each), activation, combination)

    return Scorer(
        prepare=lambda file: [member.prepare(file) for member in members],
        blank=[member.blank for member in members],
        score=score,
        batch=min(member.batch for member in members),
    )
