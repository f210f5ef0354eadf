"""Configuration of the network."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PositiveInt, field_validator, model_validator

from convworks.config import Config
from convworks.models import family
from convworks.models.transfer.head_config import Head


class Start(Config):
    """Trained layers that a network starts from (Simonyan and Zisserman 2014: A grows into D and E).

    `path` is a bundle or a run; `layers` are taps that both networks have, with weights of the same shape. A recipe may
    omit the path, which the user then sets.
    """

    path: str | None = None
    layers: Annotated[tuple[str, ...], Field(min_length=1)]


class Adapted(Config):
    """A transfer step: the network is cut at a tap and gets a new head. `outputs` is its number of outputs before."""

    cut: str
    head: Annotated[Head, Field(discriminator="kind")]
    outputs: PositiveInt


class ModelConfig(Config):
    """A network by name, with fields of its table row replaced (`--set model.table.dropout=0.2`).

    `initialiser` is a name of `ops.initialiser`, or unit_variance (Mishkin and Matas 2015), and replaces the network's
    own initial weights. `start` names layers that start from weights of another network. A transfer is three fields
    together: the tap at which the network is `cut`, the new `head`, and the number of `outputs` before; `earlier` are
    those of earlier transfers, oldest first.
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
        present = [value is not None for value in (self.cut, self.head, self.outputs)]
        if any(present) != all(present) or (self.earlier and not all(present)):
            raise ValueError("cut, head and outputs belong together: `convworks transfer` sets them")
        return self

    @property
    def title(self) -> str:
        """Return a title: the name, and for a transfer the cut and the kind of head."""
        return self.name if self.head is None else f"{self.name} cut at {self.cut}, {self.head.kind} head"

    @property
    def adapted(self) -> tuple[Adapted, ...]:
        """Return all transfer steps, oldest first."""
        if self.cut is None or self.head is None or self.outputs is None:
            return ()
        return (*self.earlier, Adapted(cut=self.cut, head=self.head, outputs=self.outputs))
