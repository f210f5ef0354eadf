"""Where commands write: names that are free, files that may be replaced, and answers that need no file."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from workplace import Place, check_line, predict, snapshot

from convworks.cli.main import run

RANGE = ("lr-range", "--data", "data", "--model", "convnet_digits", "--steps", "10")
#: Commands with a file of their own, the key of the answer that names it, and how it is called.
DEFAULTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "data": (("data", "data"), "sheet", "data-sheet{}.png"),
    "variations": (("data", "data", "--augment", "folder/default"), "sheet", "data-augmented{}.png"),
    "probe": (("probe", "bundle", "--data", "data", "--tap", "stem"), "curve", "probe{}.png"),
    "lr-range": (RANGE, "curve", "lr-range{}.png"),
    "features": (("features", "bundle", "--data", "data"), "file", "features{}.npz"),
}
#: Commands whose answer is worth having without the file.
ANSWERS: dict[str, tuple[tuple[str, ...], str]] = {
    "data": (("data", "data"), "sheet"),
    "probe": (("probe", "bundle", "--data", "data", "--tap", "stem"), "curve"),
    "lr-range": (RANGE, "curve"),
    "models": (("models", "lenet5", "--out", "m.svg"), "out"),
    "runs": (("runs", "run", "--out", "r.png"), "curves"),
    "evaluate": (("evaluate", "bundle", "--data", "data", "--out", "report"), "report"),
    "compare": (("compare", "bundle", "run", "--data", "data", "--out", "pair"), "report"),
}


def prepare(place: Place) -> None:
    place.run()
    place.bundle()


def answer(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    assert run([*words, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_name_that_nobody_chose_gets_a_number(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    words, key, file = DEFAULTS[name]
    prepare(place)
    place.write(file.format(""), "of somebody")
    assert answer(capsys, *words)[key] == file.format("-2")
    assert Path(file.format("")).read_text() == "of somebody"
    assert answer(capsys, *words, "--overwrite")[key] == file.format("")
    assert Path(file.format("")).stat().st_size > 100


def test_results_of_filters_stay(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.images("x", count=2)
    words = ("filter", "x", "--kernel", "edge")
    for folder in ("filtered", "filtered-2"):
        assert answer(capsys, *words)["images"][0]["result"] == f"{folder}/0-edge.png"
    before = snapshot(Path("filtered"))
    assert answer(capsys, "filter", "x", "--kernel", "sharpen")["images"][0]["result"] == "filtered/0-sharpen.png"
    assert snapshot(Path("filtered")).items() > before.items()
    place.write("filtered/0-edge.png", "damaged")
    assert answer(capsys, *words, "--overwrite")["images"][0]["result"] == "filtered/0-edge.png"
    assert snapshot(Path("filtered")).items() > before.items()


def test_named_files_are_replaced_where_that_is_asked_for(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(place)
    for words in (
        (*predict("bundle", "data"), "--out", "a.csv"),
        ("models", "lenet5", "--out", "m.csv"),
        ("runs", "run", "--out", "r.png"),
    ):
        place.write(words[-1], "of somebody")
        answer(capsys, *words, "--overwrite")
        assert Path(words[-1]).stat().st_size > 100


@pytest.mark.parametrize("name", ["data", "probe", "lr-range"])
def test_an_answer_needs_no_place_for_its_picture(
    name: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working folder may be read-only, or the data themselves."""
    words, key = ANSWERS[name]
    prepare(place)

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    before = snapshot(place.root)
    with monkeypatch.context() as patch:
        patch.setattr("convworks.outputs.try_writing", refuse)
        assert run([*words, "--json"]) == 0
        out, text = capsys.readouterr()
        assert key not in json.loads(out)
        assert ".png: cannot be written (Permission denied); the picture was not written" in text
        assert run(list(words)) == 0
        assert ".png" not in capsys.readouterr().out
        named = [*words, "--sheet" if name == "data" else "--out", "x.png"]
        assert run(named) == 2
        check_line(capsys.readouterr().err, ["x.png: cannot be written (Permission denied)"])
    monkeypatch.chdir("data")
    absolute = [
        "../bundle" if word == "bundle" else "." if word == "data" and at else word for at, word in enumerate(words)
    ]
    assert key not in answer(capsys, *absolute)
    assert snapshot(place.root) == before


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_outlives_a_full_disk(
    name: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, key = ANSWERS[name]
    prepare(place)
    whole = answer(capsys, *words)
    for path in [*Path().glob("*.*"), Path("report"), Path("pair")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    before = snapshot(place.root)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    found = answer(capsys, *words, status=1)
    assert set(found) == {*whole, "error"} - {key, "errors" if name == "evaluate" else key}
    where = Path(whole[key]).parts[0]  # the file, or the folder that it was to be in
    assert found["error"]["where"].startswith(where)
    assert run(list(words)) == 1
    out, line = capsys.readouterr()
    assert len(out.splitlines()) > 2
    check_line(line.splitlines()[-1], [where, "No space left on device"])
    assert snapshot(place.root) == before
