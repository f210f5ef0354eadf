"""What the tests of the command line share: a working directory with data, a trained run and ways to damage both."""

from __future__ import annotations

from pathlib import Path

import pytest
from workplace import Place, make_place


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Place:
    return make_place(tmp_path, tmp_path_factory, monkeypatch)
