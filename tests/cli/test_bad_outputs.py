"""Places that no command writes to: among the data, over an input, over files that nobody gave up, or nowhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from workplace import Place, Rows, check_row, evaluate, predict

SMALL = ("--data", "data", "--model", "convnet_digits")
#: Commands that write a file: their words, the option that names it, its ending.
FILES: dict[str, tuple[list[str], str, str]] = {
    "data": (["data", "data"], "--sheet", ".png"),
    "variations": (["data", "data", "--augment", "folder/default"], "--sheet", ".png"),
    "features": (["features", "bundle", "--data", "data"], "--out", ".npz"),
    "probe": (["probe", "bundle", "--data", "data"], "--out", ".png"),
    "lr-range": (["lr-range", *SMALL], "--out", ".png"),
    "predict": (predict("bundle", "data"), "--out", ".csv"),
    "runs": (["runs", "runs"], "--out", ".png"),
    "models": (["models"], "--out", ".csv"),
    "export": (["export", "bundle", "--format", "timm"], "--out", ".safetensors"),
}
#: Commands that make a folder.
FOLDERS: dict[str, tuple[list[str], str]] = {
    "train": (["train", *SMALL], "--out"),
    "transfer": (["transfer", "bundle", "--data", "data"], "--out"),
    "restarts": (["restarts", *SMALL], "--out"),
    "crossval": (["crossval", *SMALL], "--out"),
    "tune": (["tune", *SMALL], "--out"),
    "evaluate": (evaluate("bundle", "data"), "--out"),
    "compare": (["compare", "bundle", "bundle", "--data", "data"], "--out"),
    "filter": (["filter", "data", "--kernel", "edge"], "--out"),
    "restore": (["restore", "denoise", "data"], "--out"),
    "pack": (["data", "data"], "--pack"),
}
READERS = [name for name in (*FILES, *FOLDERS) if name not in ("models", "runs", "export")]


def prepare(place: Place) -> None:
    """Make class folders of which one is a link, doors to them, a bundle, a run, and a file in the way."""
    place.folder()
    place.images("photos", 2)
    place.link("data/c", "../photos")
    place.link("door", "data/a")
    place.bundle()
    place.write("notes.txt", "in the way")
    os.link("data/a/0.png", "hard.png")
    place.link("soft.png", "hard.png")


def words(name: str, target: str) -> list[str]:
    if name in FILES:
        command, option, suffix = FILES[name]
        return [*command, option, f"{target}{suffix}"]
    command, option = FOLDERS[name]
    return [*command, option, target]


KINDS = {"in the data": "data/a/new", "behind a link": "door/new", "in a linked class": "photos/new"}


@pytest.mark.parametrize("name", READERS)
def test_nothing_is_written_among_the_data(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(place)
    for target in KINDS.values():
        check_row((lambda _, target=target: words(name, target), f"{target} | is inside | outside"), place, capsys)  # type: ignore[misc]


@pytest.mark.parametrize("name", FILES)
def test_files_are_replaced_only_where_that_is_asked_for(
    name: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(place)
    (place.root / "runs").mkdir()
    suffix = FILES[name][2]
    place.write(f"old{suffix}", "of somebody")
    check_row((lambda _: words(name, "old"), f"old{suffix} | already exists | --overwrite"), place, capsys)
    place.link(f"leads-nowhere{suffix}", "gone")
    check_row((lambda _: words(name, "leads-nowhere"), "already exists | --overwrite"), place, capsys)


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_a_place_that_cannot_be_written_is_found_before_the_work(
    name: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(place)
    (place.root / "runs").mkdir()
    check_row((lambda _: words(name, "notes.txt/new"), "notes.txt | name"), place, capsys)
    if sys.platform == "linux" and name != "pack":  # which asks for the folder above
        check_row((lambda _: words(name, "/proc/new"), "/proc/new | cannot be written"), place, capsys)


def prepared(command: list[str]) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        prepare(place)
        return command

    return make


OVER = "hard.png | would overwrite the input data/a/0.png | another name"
ROWS: Rows = {
    "hard link to an image": (prepared([*words("data", "hard"), "--overwrite"]), OVER),
    "link to a hard link": (
        prepared([*words("probe", "soft"), "--overwrite"]),
        "soft.png | would overwrite the input data/a/0.png",
    ),
    "an image itself": (
        prepared([*words("lr-range", "data/a/0"), "--overwrite"]),
        "data/a/0.png | is inside data/a, which is never written to | outside",
    ),
    "image of a table": (
        lambda p: (
            [
                p.folder(),
                p.write("table.csv", "path,label\nx.png,a\ndata/a/1.png,a\ndata/b/1.png,b\n"),
                p.write("x.png", Path("data/a/0.png").read_bytes()),
            ]
            and ["data", "table.csv", "--sheet", "x.png", "--overwrite"]
        ),
        "x.png | would overwrite the input x.png",
    ),
    "among the images of a table": (
        lambda p: (
            [p.folder(), p.write("table.csv", "path,label\ndata/a/1.png,a\ndata/b/1.png,b\n")]
            and ["data", "table.csv", "--sheet", "data/b/sheet.png"]
        ),
        "data/b/sheet.png | is inside data/b",
    ),
    "weights of the bundle": (
        prepared([*words("export", "bundle/weights"), "--overwrite"]),
        "bundle/weights.safetensors | is inside bundle, which is never written to",
    ),
    "answers in the bundle": (prepared(words("predict", "bundle/answers")), "is inside bundle"),
    "run in the bundle": (prepared(words("transfer", "bundle/run")), "bundle/run | is inside bundle"),
    "kernel's own file": (
        lambda p: (
            [p.images("x"), p.write("k.npy", "1 2 1")] and ["filter", "x/0.png", "--kernel", "k.npy", "--out", "k.npy"]
        ),
        "--out k.npy | is a file",
    ),
    "curves among the images of a run": (
        lambda p: [p.run()] and ["runs", "run", "--out", "data/curves.png"],
        "data/curves.png | is inside",
    ),
    "results that are there": (
        lambda p: (
            [p.images("x", count=2), p.write("out/0-edge.png", "mine"), p.write("out/1-edge.npy", "mine")]
            and ["filter", "x", "--kernel", "edge", "--out", "out"]
        ),
        "out/0-edge.png | already exists (with 1 more) | --overwrite",
    ),
    "storage in the data": (
        prepared(["tune", *SMALL, "--storage", "sqlite:///data/a/study.db"]),
        "--storage data/a/study.db | is inside data | outside",
    ),
    "nothing to overwrite": (lambda p: ["models", "--overwrite"], "--overwrite | needs an output file | --out FILE"),
    "no answers to overwrite": (prepared([*predict("bundle", "data"), "--overwrite"]), "--overwrite | add --out"),
    "pack over shards": (
        prepared([*words("pack", "new"), "--overwrite"]),
        "--overwrite | --pack | leave one of them out",
    ),
    "empty --out": (prepared(["export", "bundle", "--format", "timm", "--out", ""]), "--out | is empty | name a file"),
    "empty --out of a run": (prepared(["train", *SMALL, "--out="]), "--out | is empty | name a file or a folder"),
    "empty --sheet": (prepared(["data", "data", "--sheet", ""]), "--sheet | is empty | name a file"),
    "empty --pack": (prepared(["data", "data", "--pack", ""]), "--pack | is empty | name a file"),
    "too long a name": (prepared(words("data", "x" * 300)), "cannot be written | File name too long | a shorter name"),
    "runs is a file": (
        lambda p: [p.folder(), p.write("runs", "in the way")] and ["train", *SMALL],
        "--out runs/data | runs is a file | new folder",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)


def test_mlflow_in_the_data(place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    place.folder()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(Path("data/mlruns").absolute()))
    row = (lambda _: ["train", *SMALL, "--set", "tracking=mlflow"], "tracking mlflow | is inside data | outside")
    check_row(row, place, capsys)
