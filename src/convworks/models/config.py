"""Which network to build."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from convworks.config import Config
from convworks.models import family


class Start(Config):
    """Trained layers that a network begins with (Simonyan and Zisserman 2014: A grows into D and E).

    `path` is a bundle or a run; `layers` are taps that both networks have, with weights of the same shape. A recipe
    may leave the path open, for the one who trains to give.
    """

    path: str | None = None
    layers: Annotated[tuple[str, ...], Field(min_length=1)]


class ModelConfig(Config):
    """A network by name, with fields of its table row replaced (`--set model.table.dropout=0.2`).

    `initialiser` is a name of `ops.initialiser`, or unit_variance (Mishkin and Matas 2015), in the place of the
    network's own first weights. `start` says which layers begin with weights of another network instead of random ones.
    """

    name: str
    table: dict[str, Any] = Field(default_factory=dict)
    initialiser: str | None = None
    start: Start | None = None

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        family(name)
        return name
