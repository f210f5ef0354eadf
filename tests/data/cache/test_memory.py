from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from convworks.data.cache import memory
from convworks.errors import RunError


def test_small_sets_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    array = memory.allocate((2, 3, 4, 1), None)
    assert not isinstance(array, np.memmap)
    assert array.shape == (2, 3, 4, 1)
    assert not list(tmp_path.iterdir())


def test_large_sets_are_mapped_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    array = memory.allocate((2, 3, 4, 1), 23)
    assert isinstance(array, np.memmap)
    array[:] = 7
    assert array.sum() == 24 * 7
    assert not list((tmp_path / "convworks").iterdir()), "the system frees it with the process"


def test_default_budget_is_half_of_the_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(memory, "free_memory", lambda: 47)
    assert isinstance(memory.allocate((2, 3, 4, 1), None), np.memmap)
    monkeypatch.setattr(memory, "free_memory", lambda: 48)
    assert not isinstance(memory.allocate((2, 3, 4, 1), None), np.memmap)


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RunError, match=r"has no room for 0\.0 GiB of decoded images \(No space left on device\)"):
        memory.allocate((2, 3, 4, 1), 0)


def test_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "convworks").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(RunError, match="has no room"):
        memory.allocate((2, 3, 4, 1), 0)


def test_containers_limit_memory(tmp_path: Path) -> None:
    assert memory._free_in_container(tmp_path) == 2**63
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory._free_in_container(tmp_path) == 700
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._free_in_container(tmp_path) == 2**63


def test_machine() -> None:
    assert memory.free_memory() > 2**20
    assert memory.processors() >= 1
