"""From files to activated outputs: one view or several, one network or an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from convworks.data.decode.decode import read
from convworks.data.decode.picture import picture_of
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.input import Input
from convworks.data.inputs.kinds import input_of
from convworks.data.location import Location
from convworks.inference.ensemble import PROBABILITY, combined
from convworks.inference.protocol import Image, Protocol, views
from convworks.inference.runtime import Runtime, batch_size, marked
from convworks.inference.test_time_views import decoded_size, mean_over_views
from convworks.tasks.activations import Activation

#: Files of a batch, at most: small images are decoded one by one, so that larger batches gain nothing.
MOST, MOST_VIEWED = 256, 16


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """What a network answers for files, batch by batch.

    `prepare` decodes one file in any thread, and raises InputError for a damaged one; `blank` stands for such a file in
    its batch. `score` gives the activated outputs of a batch; NaN for a file whose outputs are not finite. A batch has
    `batch` files: the last bits of an answer depend on the number of files that are computed together.
    """

    prepare: Callable[[Location], Any]
    blank: Any
    score: Callable[[Sequence[Any]], Float32[np.ndarray, "b *output"]]
    batch: int


def of_one_view(runtime: Runtime, input: Input, activation: Activation) -> Scorer:
    """Return the scorer of a network for images as in training."""

    def score(samples: Sequence[np.ndarray]) -> Float32[np.ndarray, "b *output"]:
        with runtime.ready():
            outputs = runtime(input.stack(samples).to(runtime.device))
        values: np.ndarray = marked(activation.apply, outputs).cpu().numpy()
        return values

    return Scorer(
        prepare=input.decode,
        blank=input.decoded(input.blank(1))[0],
        score=score,
        batch=min(MOST, batch_size(runtime.device, input.size)),
    )


def of_views(runtime: Runtime, preprocessing: Preprocessing, activation: Activation, protocol: Protocol) -> Scorer:
    """Return the scorer of a network for the mean over the views of a protocol.

    For a dense protocol, the runtime computes maps of outputs (test_time_views.py `prepared`).
    """
    channels, at_least = preprocessing.channels, decoded_size(protocol, preprocessing)

    def prepare(file: Location) -> list[Image]:
        picture = read(file, channels=channels, at_least=at_least, decoding=preprocessing.decoding)
        return views(picture, protocol, preprocessing)

    def score(images: Sequence[Sequence[Image]]) -> Float32[np.ndarray, "b k"]:
        return mean_over_views(protocol, runtime, images, activation)

    nothing = np.zeros((*preprocessing.size, channels), np.uint8)
    return Scorer(
        prepare=prepare,
        blank=views(picture_of(nothing), protocol, preprocessing),
        score=score,
        batch=min(MOST_VIEWED, batch_size(runtime.device, input_of(preprocessing).size)),
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
