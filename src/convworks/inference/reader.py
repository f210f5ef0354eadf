"""From images to what a network says of each: one way for Python, for files and for the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from convworks.data.inputs.input import Input
from convworks.inference.answers import both
from convworks.inference.bulk.scorer import Scorer
from convworks.inference.bulk.scorers import of_one_view
from convworks.inference.combination import PROBABILITY
from convworks.inference.ensemble import combined
from convworks.inference.exported.format import ACTIVATED, OUTPUTS
from convworks.inference.runtime import Runtime
from convworks.tasks.activations import Activation
from convworks.tasks.task import Task


class Computed(NamedTuple):
    """What a network computed of an image: the activated output, and by name all outputs of one size for all images.

    Of networks that name the class of every pixel, the activated output is the mask.
    """

    activated: np.ndarray
    tensors: dict[str, np.ndarray]


@runtime_checkable
class Reader(Protocol):
    """How a network reads images, and computes what it says of them."""

    def read(self, name: object, image: Any) -> Any:
        """Return an image of any supported type as a sample; `name` stands for it in errors. Any thread may call it."""

    def fitted(self, pixels: np.ndarray) -> Any:
        """Return what was decoded and fitted to the network's input elsewhere as a sample."""

    def blank(self) -> Any:
        """Return a sample without content."""

    def compute(self, samples: Sequence[Any]) -> Iterator[Computed]:
        """Yield what the network computes of each sample; raises RunError for outputs that are not finite."""


@dataclass(frozen=True, kw_only=True)
class InputReader:
    """Reads images as in training: fitted to the input of the network, and computed together."""

    task: Task
    runtime: Runtime
    input: Input

    def read(self, name: object, image: Any) -> np.ndarray:
        """Return an image as it is stored."""
        return self.input.read(name, image)

    def fitted(self, pixels: np.ndarray) -> np.ndarray:
        """Return it as it is."""
        return pixels

    def blank(self) -> np.ndarray:
        """Return a sample without content."""
        sample: np.ndarray = self.input.decoded(self.input.blank(1))[0]
        return sample

    def compute(self, samples: Sequence[np.ndarray]) -> Iterator[Computed]:
        """Yield outputs and activated outputs."""
        if samples:
            for outputs, activated in zip(*both(self.task, self.runtime, self.input.stack(samples)), strict=True):
                yield Computed(activated, {ACTIVATED: activated, OUTPUTS: outputs})

    def scorer(self) -> Scorer:
        """Return what scores files in batches."""
        return of_one_view(self.runtime, self.input, self.task.activation)


@dataclass(frozen=True, kw_only=True)
class EnsembleReader:
    """Reads images as each network of an ensemble does, and combines what these compute."""

    members: tuple[Reader, ...]
    activation: Activation
    combination: str = PROBABILITY

    def read(self, name: object, image: Any) -> tuple[Any, ...]:
        """Return an image as each network reads it."""
        return tuple([member.read(name, image) for member in self.members])

    def fitted(self, pixels: np.ndarray) -> tuple[Any, ...]:
        """Return an image that was fitted to the input of all networks."""
        return tuple([member.fitted(pixels) for member in self.members])

    def blank(self) -> tuple[Any, ...]:
        """Return a sample without content."""
        return tuple([member.blank() for member in self.members])

    def compute(self, samples: Sequence[tuple[Any, ...]]) -> Iterator[Computed]:
        """Yield the combined activated outputs."""
        answers = [member.compute([sample[number] for sample in samples]) for number, member in enumerate(self.members)]
        for each in zip(*answers, strict=True):
            stacked = np.stack([computed.activated for computed in each])
            (activated,) = combined(stacked[:, None], self.activation, self.combination)
            yield Computed(activated, {ACTIVATED: activated})
