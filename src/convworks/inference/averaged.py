"""Several networks, or views, as one runtime: for outputs that are too large to be kept and averaged afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from convworks.errors import InputError
from convworks.inference.combination import PROBABILITY
from convworks.inference.ensemble import combined
from convworks.inference.runtime import Runtime
from convworks.tasks.activations import Activation


@dataclass(frozen=True, kw_only=True)
class AveragedRuntime:
    """A runtime whose outputs activate to the combined activated outputs of its members, for the same samples.

    With `mirrored`, those of each member are the mean of the image's and its mirror image's, left to right, whose map
    is mirrored back. The activation needs an inverse.
    """

    members: tuple[Runtime, ...]
    activation: Activation
    mirrored: bool = False
    combination: str = PROBABILITY

    @property
    def name(self) -> str:
        """The library that computes the first member."""
        return self.members[0].name

    @property
    def precision(self) -> torch.dtype:
        """The type of the products of the first member."""
        return self.members[0].precision

    @property
    def device(self) -> torch.device:
        """The device of all members."""
        return self.members[0].device

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Enter the contexts of all members."""
        with ExitStack() as stack:
            for member in self.members:
                stack.enter_context(member.ready())
            yield

    def __call__(self, batch: Tensor) -> Float32[Tensor, "b *output"]:
        """Return the outputs for a batch."""
        assert self.activation.inverse is not None
        values = [self._activated(member, batch) for member in self.members]
        if len(values) == 1:
            return self.activation.inverse(values[0])
        first, *others = ("x".join(map(str, each.shape[2:])) for each in values)
        if other := next((size for size in others if size != first), None):
            reason = f"score {first} and {other} pixels of an image"
            raise InputError("networks of an ensemble", reason, "evaluate networks that score the same pixels")
        joined = combined(np.stack([each.cpu().numpy() for each in values]), self.activation, self.combination)
        return self.activation.inverse(torch.from_numpy(joined).to(batch.device))

    def _activated(self, member: Runtime, batch: Tensor) -> Tensor:
        values = self.activation.apply(member(batch))
        if not self.mirrored:
            return values
        return (values + self.activation.apply(member(batch.flip(3))).flip(3)) / 2
