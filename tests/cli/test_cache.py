"""`convworks cache`, on what a training run left in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from workplace import Place, check_line, train

from convworks.cli.main import run
from convworks.data.cache import cached
from convworks.data.cache import store as cache


@pytest.fixture(autouse=True)
def keeping(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sets of any size."""
    monkeypatch.setattr(cached, "MOST_FILES", 0)
    monkeypatch.setenv(cache.LIMIT, "1MB")


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["cache", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_list_and_clear(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "--clear")  # what the training of `place` left
    assert answer(capsys)["entries"] == []
    assert run(train(place.folder())) == 0
    found = answer(capsys)
    train_row, validation = sorted(found["entries"], key=lambda row: -row["images"])
    assert (train_row["images"], train_row["size"], train_row["channels"]) == (10, [8, 8], 1)
    assert validation["images"] == 2
    assert train_row["source"] == str(place.root / "data")
    assert found["limit"] == 10**6
    assert found["bytes"] == train_row["bytes"] + validation["bytes"]
    assert run(["cache"]) == 0
    shown, _ = capsys.readouterr()
    assert train_row["name"][:12] in shown
    assert "0.0 MB of at most 1.0 MB" in shown
    assert answer(capsys, "--clear", train_row["name"][:8])["entries"] == [train_row]
    assert answer(capsys)["entries"] == [validation]
    assert answer(capsys, "--clear")["cleared"]
    assert answer(capsys)["entries"] == []
    assert list(Path(found["folder"]).iterdir()) == []


def test_a_second_run_is_the_same(place: Place) -> None:
    """Trained from the cache or from the files: the same weights."""
    data = place.folder()
    for name in ("first", "second"):
        assert run([*train(data)[:-2], "--out", name]) == 0
    weights = [(place.root / name / "bundle" / "weights.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("words", [["x"], ["--clear", "x"], ["--clear", ""]])
def test_entries_that_there_are_not(place: Place, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run(["cache", *words]) == 2
    check_line(capsys.readouterr().err, ["no cache entry matches", "`convworks cache` lists them"])


def test_a_limit_that_is_none(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.LIMIT, "much")
    for words in (["cache"], train(place.folder())):
        assert run(words) == 2
        check_line(capsys.readouterr().err, ["CONVWORKS_CACHE_LIMIT", "'much'", "20GB"])
