"""docs/augmentation.md names every field, and shows pictures that are there."""

from __future__ import annotations

import re
from pathlib import Path

from convworks.config import override
from convworks.data.config import AugmentConfig, DataConfig
from convworks.models.config import ModelConfig
from convworks.training.config import RunConfig, TrainingConfig
from convworks.training.schedules.config import OneCycle

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "augmentation.md").read_text()


def test_every_field_has_its_place() -> None:
    for field in AugmentConfig.model_fields:
        assert f"augment.{field}" in PAGE or f"`{field}`" in PAGE, field


def test_every_picture_is_there_and_shown() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE))
    assert shown == {f"augmentation/{path.name}" for path in (DOCS / "augmentation").iterdir()}


def test_every_line_of_configuration_is_valid() -> None:
    training = TrainingConfig(epochs=1, batch_size=1, schedule=OneCycle(rate=0.1))
    plain = RunConfig(recipe="x", data=DataConfig(source="x"), model=ModelConfig(name="lenet5"), training=training)
    lines = [line for line in PAGE.splitlines() if line.startswith("    --set")]
    assert len(lines) >= 15
    for line in lines:
        words = [word.strip('"') for word in re.split(r"\s*--set\s+", line) if word]
        assert override(plain, words) != plain
