"""The store of decoded images, without decoding: entries, size limit, and names."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from convworks.data.cache import store
from convworks.errors import InputError
from convworks.partial import TEMPORARY

SHAPE = (3, 4, 5, 2)
FACTS: dict[str, Any] = {"source": "photographs", "recipe": "crop 4x5", "content": "c0", "mean": [0.5] * 2}
FACTS["std"] = [0.25] * 2


@pytest.fixture(autouse=True)
def entries_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the entries folder of a fresh cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(store.LIMIT, "1MB")
    folder = store.folder()
    folder.mkdir(parents=True)
    return folder


def put(name: str, age: float = 0.0, shape: tuple[int, int, int, int] = SHAPE) -> Path:
    """Write an entry by hand, last used the given number of seconds ago."""
    images = np.arange(np.prod(shape), dtype=np.uint8)
    path = store.folder() / f"{name}{store.SUFFIX}"
    path.write_bytes(store.header(shape, FACTS) + images.tobytes() + bytes(4 * shape[0]))
    os.utime(path, (1e9 - age,) * 2)
    return path


def test_an_entry_says_what_its_file_holds() -> None:
    path = put("ab12")
    entry = store.open_entry("ab12")
    assert entry is not None
    assert (entry.name, entry.path, entry.shape, entry.bytes) == ("ab12", path, SHAPE, path.stat().st_size)
    assert (entry.source, entry.recipe, entry.content) == ("photographs", "crop 4x5", "c0")
    assert (entry.mean, entry.std, entry.used) == ((0.5, 0.5), (0.25, 0.25), 1e9)
    assert entry.start % store.PAGE == 0


def test_the_file_is_read_by_safetensors() -> None:
    path = put("ab12")
    with safe_open(path, "numpy") as file:
        np.testing.assert_array_equal(file.get_tensor("images").ravel(), np.arange(120, dtype=np.uint8))
        assert file.get_tensor(store.SUMS).shape == (3,)


def test_a_map_is_its_owners_alone() -> None:
    path = put("ab12")
    entry = store.open_entry("ab12")
    assert entry is not None
    before = path.read_bytes()
    with path.open("rb") as file:
        images = store.mapped(file.fileno(), entry)
    np.testing.assert_array_equal(images.ravel(), np.arange(120, dtype=np.uint8))
    images[:] = 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:100],
        lambda content: b"",
        lambda content: content.replace(b"photographs", b"photographz"),
        lambda content: content.replace(b"[3, 4, 5, 2]", b"[3, 5, 4, 2]"),
        lambda content: content.replace(b"__metadata__", b"__netadata__"),
        lambda content: content[:8] + b"[" * 4000 + content[4008:],
        lambda content: b"\xff" * 8 + content[8:],
    ],
    ids=["cut off", "longer", "header alone", "empty", "fact", "shape", "no facts", "deep", "endless header"],
)
def test_a_damaged_entry_is_removed_and_counts_as_missing(damage: Any) -> None:
    path = put("ab12")
    path.write_bytes(damage(path.read_bytes()))
    assert store.open_entry("ab12") is None
    assert not path.exists()
    assert store.open_entry("ab12") is None


def test_entries_are_in_the_order_of_their_use() -> None:
    for name, age in (("aa", 20), ("bb", 10), ("cc", 30)):
        put(name, age)
    assert [entry.name for entry in store.entries()] == ["bb", "aa", "cc"]
    last = store.open_entry("cc")
    assert last is not None
    store.touch(last)
    assert [entry.name for entry in store.entries()] == ["cc", "bb", "aa"]


@pytest.mark.parametrize(("room", "remaining"), [(3, ["aa", "bb", "cc"]), (2, ["aa", "bb"]), (1, ["aa"]), (0, [])])
def test_the_least_recently_used_make_room(room: int, remaining: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [put(name, age).stat().st_size for age, name in enumerate(("aa", "bb", "cc"))]
    monkeypatch.setenv(store.LIMIT, str(3 * sizes[0]))
    assert store.make_room((3 - room) * sizes[0])
    assert [entry.name for entry in store.entries()] == remaining


def test_what_never_fits_removes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    size = put("aa").stat().st_size
    monkeypatch.setenv(store.LIMIT, str(2 * size))
    assert not store.make_room(2 * size + 1)
    assert len(store.entries()) == 1


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, size in {"20GB": 20e9, "1.5 kib": 1536, "7": 7, "0": 0, "2MiB": 2**21}.items():
        monkeypatch.setenv(store.LIMIT, text)
        assert store.limit() == size
        assert store.in_use() == (size > 0)
    monkeypatch.delenv(store.LIMIT)
    assert 0 < store.limit() <= 50 * 10**9


def test_without_a_limit_it_is_a_tenth_of_what_would_be_free_without_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    size = put("aa").stat().st_size
    monkeypatch.delenv(store.LIMIT)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5000}))
    assert store.limit() == (5000 + size) // 10


def test_files_are_known_by_their_signature() -> None:
    put("ab12")
    assert store.find_by_signature("signature") is None
    store.remember("signature", "ab12")
    entry = store.find_by_signature("signature")
    assert entry is not None
    assert entry.name == "ab12"
    store.remember("signature", "../ab12")
    assert store.find_by_signature("signature") is None, "a note leads to nothing outside the cache"


def test_a_sweep_takes_notes_of_what_is_gone_and_what_the_killed_left(entries_folder: Path) -> None:
    put("ab12")
    store.remember("kept", "ab12")
    store.remember("gone", "cd34")
    (entries_folder / f"ef{TEMPORARY}").write_bytes(b"half")
    store.sweep()
    assert sorted(path.name for path in entries_folder.iterdir()) == ["ab12.safetensors", "kept.known"]


def test_an_entry_is_called_by_the_beginning_of_its_name() -> None:
    put("ab12")
    put("ab34", 5)
    assert [entry.name for entry in store.find(None)] == ["ab12", "ab34"]
    assert [entry.name for entry in store.find("ab3")] == ["ab34"]
    for name, reason in (("ab", "2 entries match"), ("x", "no cache entry"), ("", "no cache entry")):
        with pytest.raises(InputError, match=reason):
            store.find(name)


def test_clearing_one_or_all(entries_folder: Path) -> None:
    put("ab12")
    put("cd34")
    store.remember("note", "ab12")
    (entries_folder / f"x{store.DAMAGED}").write_text(json.dumps({}))
    assert [entry.name for entry in store.clear("ab")] == ["ab12"]
    assert sorted(path.name for path in entries_folder.iterdir()) == ["cd34.safetensors", f"x{store.DAMAGED}"]
    assert [entry.name for entry in store.clear()] == ["cd34"]
    assert list(entries_folder.iterdir()) == []
