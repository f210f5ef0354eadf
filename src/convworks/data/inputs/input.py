"""What a network reads, as a value: nothing above this room assumes channels, axes or a type of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from convworks.data.config import AugmentConfig
from convworks.data.decode.images import Decoded
from convworks.data.decode.load import Loaded
from convworks.data.decode.load_files import Progress
from convworks.data.location import Location
from convworks.data.source import Split

Size = Sequence[int]


@runtime_checkable
class Input(Protocol):
    """A kind of input, with everything that turns a sample into what a network reads.

    A sample is stored: decoded and fitted to `size`, one length for each axis, in whatever type is small. A batch of
    stored samples is normalised on the device, to what the network reads.
    """

    @property
    def reads(self) -> str:
        """The kind, as facts about networks name it (models/catalogue.py)."""

    @property
    def channels(self) -> int:
        """The number of values at each position."""

    @property
    def size(self) -> tuple[int, ...]:
        """The length of a sample along each axis."""

    @property
    def words(self) -> str:
        """What a model card says of the input."""

    def open(self, split: Split, *, always: bool = False, report: Progress | None = None) -> Loaded | Decoded:
        """Return the stored inputs of a split; files are decoded on demand if `always` is set."""

    def decode(self, file: Location) -> np.ndarray:
        """Return one file as it is stored; raises InputError for a damaged one."""

    def read(self, name: object, sample: Any) -> np.ndarray:
        """Return a sample of any supported type as it is stored; `name` stands for it in errors."""

    def stack(self, samples: Sequence[np.ndarray]) -> Tensor:
        """Return stored samples as a batch."""

    def blank(self, n: int) -> Tensor:
        """Return a batch of n stored samples without content."""

    def example(
        self,
        n: int = 1,
        *,
        size: Size | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return n samples as a network reads them: blank, or random with a `generator`."""

    def picture(self, sample: Tensor) -> np.ndarray:
        """Return a stored sample as the picture that pages show: uint8 [h, w, c]."""

    def normalise(self, batch: Tensor) -> Tensor:
        """Return a batch of stored samples as a network reads it."""

    def graph(self) -> nn.Module:
        """Return the first layer of an exported network: from decoded samples to what a network reads."""

    def decoded(self, batch: Tensor) -> np.ndarray:
        """Return a batch of stored samples as they were decoded: what an exported network reads."""

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        """Return n stored samples of noise, as much like real ones as noise can be."""

    def resize(self, batch: Tensor, size: Size) -> Tensor:
        """Return a normalised batch in another size."""

    def check_augment(self, config: AugmentConfig, stored: Size) -> None:
        """Raise InputError for an augmentation that samples stored in a size cannot have."""
