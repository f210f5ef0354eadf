"""What the tests of experiments share: few digits, in files that every process can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from few_digits import write_few


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_few(tmp_path_factory.mktemp("few") / "digits")


@pytest.fixture(scope="session")
def options(few: Path) -> dict[str, Any]:
    """Short runs on few digits, whose weights can be compared."""
    return {"recipe": "digits/default", "data": few, "epochs": 2, "device": "cpu", "deterministic": True}
