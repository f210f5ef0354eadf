"""Which network to build."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PositiveInt, field_validator, model_validator

from convworks.config import Config
from convworks.models import family
from convworks.models.transfer.head_config import Head


class Start(Config):
    """Trained layers that a network begins with (Simonyan and Zisserman 2014: A grows into D and E).

    `path` is a bundle or a run; `layers` are taps that both networks have, with weights of the same shape. A recipe
    may leave the path open, for the one who trains to give.
    """

    path: str | None = None
    layers: Annotated[tuple[str, ...], Field(min_length=1)]


class Adapted(Config):
    """What was made of a network: cut at a tap, and a new head put on. It had so many `outputs` before."""

    cut: str
    head: Annotated[Head, Field(discriminator="kind")]
    outputs: PositiveInt


class ModelConfig(Config):
    """A network by name, with fields of its table row replaced (`--set model.table.dropout=0.2`).

    `initialiser` is a name of `ops.initialiser`, or unit_variance (Mishkin and Matas 2015), in the place of the
    network's own first weights. `start` says which layers begin with weights of another network instead of random ones.
    What transfer makes of a network is three fields together: the tap at which it is `cut`, the `head` that follows
    there, and how many `outputs` it had before; `earlier` are those of transfers before, the first one first.
    """

    name: str
    table: dict[str, Any] = Field(default_factory=dict)
    initialiser: str | None = None
    start: Start | None = None
    cut: str | None = None
    head: Annotated[Head, Field(discriminator="kind")] | None = None
    outputs: PositiveInt | None = None
    earlier: tuple[Adapted, ...] = ()

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        family(name)
        return name

    @model_validator(mode="after")
    def _cut_and_head_together(self) -> ModelConfig:
        given = [value is not None for value in (self.cut, self.head, self.outputs)]
        if any(given) != all(given) or (self.earlier and not all(given)):
            raise ValueError("cut, head and outputs belong together: `convworks transfer` sets them")
        return self

    @property
    def title(self) -> str:
        """What the network is called: its name, and where it was cut for which head."""
        return self.name if self.head is None else f"{self.name} cut at {self.cut}, {self.head.kind} head"

    @property
    def adapted(self) -> tuple[Adapted, ...]:
        """All that was made of the network by that name, the first first."""
        if self.cut is None or self.head is None or self.outputs is None:
            return ()
        return (*self.earlier, Adapted(cut=self.cut, head=self.head, outputs=self.outputs))
