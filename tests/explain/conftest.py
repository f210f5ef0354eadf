"""Runs that several tests look into."""

from __future__ import annotations

from pathlib import Path

import pytest
from once import once


@pytest.fixture(scope="session")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a run with three checkpoints, for whoever does not change it."""

    def make(root: Path) -> None:
        import convworks

        changes = ["training.keep_last=3", "precision=float32"]
        convworks.train("digits/default", out=root / "run", epochs=3, device="cpu", overrides=changes)

    return once(tmp_path_factory.getbasetemp(), "long", make) / "run"
