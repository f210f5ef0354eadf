"""Which network to build."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from convworks.config import Config
from convworks.models import family


class ModelConfig(Config):
    """A network by name, with fields of its table row replaced (`--set model.table.dropout=0.2`)."""

    name: str
    table: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        family(name)
        return name
