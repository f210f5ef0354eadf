"""A user without a home, as in containers: no cache, and one word about it where it is missed."""

from __future__ import annotations

import json
import pwd
from pathlib import Path

import pytest
from workplace import Place, Rows, check_row, train

from convworks.cli.main import run
from convworks.data.cache import cached, memory
from convworks.data.cache import store as cache
from convworks.data.decode.images import Decoded, open_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.shards import tar_index
from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source


@pytest.fixture(autouse=True)
def homeless(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> object:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "XDG_CACHE_HOME", "CONVWORKS_CACHE_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(cached, "MOST_FILES", 1)
    cache._say_once.cache_clear()


def test_training_says_once_that_nothing_is_kept(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(train(place.folder())) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "HOME" in line]) == 1
    assert run(["predict", "out", "data/a"]) == 0
    assert run(["evaluate", "out", "--data", "data"]) == 0
    assert "HOME" not in capsys.readouterr().err


def test_shards_are_read_without_a_cache(place: Place) -> None:
    pack(open_source(place.folder()), Path("packed"))
    (shard,) = Path("packed").glob("*.tar")
    assert len(tar_index.index_tar(shard).members) == 12


def test_more_images_than_memory_holds_are_decoded_when_wanted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    split = open_source(place.folder()).splits["all"]
    given = Preprocessing(size=(8, 8), channels=1, fit="crop", mean=(0.5,), std=(0.5,))
    assert isinstance(open_images(split, given, always=False), Decoded)


WORDS = "HOME: is not set | set XDG_CACHE_HOME"
ROWS: Rows = {
    "cache": (lambda p: ["cache"], WORDS),
    "download": (lambda p: train("mnist"), WORDS),
    "published weights": (lambda p: ["import", "resnet50:imagenet"], WORDS),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)


def test_doctor_names_the_remedy(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 1
    assert any("XDG_CACHE_HOME" in problem for problem in json.loads(capsys.readouterr().out)["problems"])
