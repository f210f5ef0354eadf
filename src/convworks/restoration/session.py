"""Where the restoration of a picture stands: its parts, the images of finished ones, and who keeps and shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from convworks.console import say
from convworks.errors import visible
from convworks.restoration.computation import Computation
from convworks.restoration.fit import Fit, Row
from convworks.restoration.material import Material
from convworks.restoration.observation import Observation, as_pixels, as_tensor, observe
from convworks.restoration.plan import Budget
from convworks.restoration.request import Request
from convworks.restoration.tiles import Tile, blend


@dataclass(frozen=True, kw_only=True)
class Part:
    """One fit of a restoration: its tile, its sample, and its run among those that are averaged."""

    tile: int = 0
    sample: int = 0
    run: int = 0

    @property
    def key(self) -> str:
        """Its name in a checkpoint."""
        return f"{self.tile}-{self.sample}-{self.run}"


@runtime_checkable
class Keeper(Protocol):
    """What keeps the state of a restoration, and shows how it goes."""

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the tensors and the state that another process kept."""

    def keep(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Keep them."""

    def show(self, pictures: Sequence[UInt8[np.ndarray, "h w c"]], shown: Mapping[str, Any]) -> None:
        """Show the best pictures so far: one, or the samples; `shown` says where in the restoration that is."""

    def tell(self, session: Session, row: Row) -> None:
        """Say where the restoration stands, after an iteration."""


@dataclass(kw_only=True)
class Session:
    """A restoration: what it starts from, the images of finished fits by part, and the fit in progress.

    `fitted` are the numbers of the tiles with something to restore; `notes` is what was said of it, and `shown` the
    place of the last preview.
    """

    material: Material
    request: Request
    computation: Computation
    tiles: list[Tile]
    fitted: list[int]
    budget: Budget
    keeper: Keeper
    before: UInt8[np.ndarray, "h w c"]
    notes: list[str] = field(default_factory=list)
    images: dict[str, Tensor] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)
    current: tuple[Part, Fit] | None = None
    shown: tuple[int, int] = (0, 0)
    show_at: float = 0.0
    keep_at: float = 0.0

    @property
    def place(self) -> tuple[int, int]:
        """How far it has come: the number of finished fits, and the iterations of the one in progress."""
        return len(self.records), 0 if self.current is None else self.current[1].iteration

    def note(self, text: str) -> None:
        """Say what the user would not expect of this restoration, and note it for its record."""
        say(visible(f"{self.material.name}: {text}"))
        self.notes.append(text)

    def observation(self, number: int) -> Observation:
        """Return what is observed of a tile."""
        material, request = self._material(number), self.request
        observed = observe(material.pixels, material.known, scale=request.factor, composed=request.table.composed)
        return observed.to(self.computation.device)

    def clean(self, number: int) -> Tensor | None:
        """Return the truth of a tile, if there is one."""
        clean = self._material(number).clean
        return None if clean is None else as_tensor(clean).to(self.computation.device)

    def _material(self, number: int) -> Material:
        return self.material.cropped(self.tiles[number], self.request.factor)

    def pictures(self) -> list[UInt8[np.ndarray, "h w c"]]:
        """Return the best picture so far, or the samples; a part that was not begun is as it was."""
        pictures = []
        for sample in range(self.request.samples):
            images = [self._image(number, sample) for number in range(len(self.tiles))]
            pictures.append(as_pixels(blend(self.material.size, self.tiles, images, self.request.factor)))
        return pictures

    def _image(self, number: int, sample: int) -> Tensor:
        """Return the best picture of a tile so far: the mean of its finished runs, or the first in progress."""
        keys = [Part(tile=number, sample=sample, run=run).key for run in range(self.request.averaged)]
        images = [self.images[key] for key in keys if key in self.images]
        if not images and self.current is not None:
            part, fit = self.current
            images = [fit.image] if (part.tile, part.sample) == (number, sample) and fit.iteration else []
        if not images:
            restored = self.tiles[number].scaled(self.request.factor)
            return as_tensor(self.before[restored.rows, restored.columns])
        observation = self.observation(number)
        return observation.finish(torch.stack([image.to(observation.values) for image in images]).mean(0))
