"""Folders and files whose names are no UTF-8, or hold lines and colours: everything works, and files say it exactly."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from workplace import Place, evaluate, predict, train

from convworks.cli.main import run
from convworks.config import override, to_json
from convworks.errors import visible
from convworks.recipes import recipe

DATA, RUN = os.fsdecode(b"d\xff\nata"), os.fsdecode(b"r\xfe\x1bn")
IMAGE = f"{DATA}/a/{os.fsdecode(bytes([0xFD]))}\x1b[1m\n.png"


@pytest.fixture
def odd(place: Place) -> Place:
    place.folder(name=DATA)
    Path(DATA, "a", "0.png").rename(IMAGE)
    return place


def test_a_run_with_odd_names(odd: Place, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*train(DATA)[:-2], "--out")
    for command in (
        [*words, RUN],
        ["train", "--resume", RUN, "--epochs", "+1"],
        ["transfer", RUN, "--data", DATA, "--epochs", "1", "--out", f"{RUN}2"],
        ["train", *words[1:], f"{RUN}3", "--set", f"model.start={{'path': {RUN!r}, 'layers': ['stem']}}"],
        [*evaluate(RUN, DATA), "--out", f"{RUN}-report"],
        ["compare", RUN, f"{RUN}2", "--data", DATA, "--out", f"{RUN}-pair"],
        ["data", DATA, "--pack", f"{DATA}-packed"],
        ["data", f"{DATA}-packed"],
        ["runs", RUN, f"{RUN}2", "--out", f"{RUN}.svg"],
        ["import", f"{RUN}/bundle/weights.safetensors", "--model", "convnet_digits", "--out", f"{RUN}-bundle"],
    ):
        assert run(command) == 0
        out, _ = capsys.readouterr()
        assert all(line.isprintable() for line in out.splitlines())
    record = json.loads(Path(RUN, "run.json").read_text())
    assert (record["status"], record["configuration"]["data"]["source"]) == (
        "finished",
        str(Path(DATA).absolute()),
    )
    ElementTree.parse(f"{RUN}.svg")
    assert run([*predict(RUN, DATA), "--out", f"{RUN}.jsonl"]) == 0
    assert [
        path for line in Path(f"{RUN}.jsonl").read_text().splitlines() if (path := json.loads(line)["path"]) == IMAGE
    ] == [IMAGE]
    assert run([*predict(RUN, DATA), "--out", f"{RUN}.csv"]) == 0
    assert os.fsencode(IMAGE) in Path(f"{RUN}.csv").read_bytes()


def test_features_of_odd_names(odd: Place) -> None:
    """NumPy holds any name; Parquet holds UTF-8, and escapes for the rest."""
    bundle = odd.bundle()
    name = IMAGE.removeprefix(f"{DATA}/")
    for file in ("f.npz", f"{RUN}.parquet"):
        if file.endswith("parquet"):
            pytest.importorskip("pyarrow")
        assert run(["features", bundle, "--data", DATA, "--out", file]) == 0
    assert name in np.load("f.npz")["name"].tolist()
    from pyarrow import OSFile, parquet

    with OSFile(os.fsencode(f"{RUN}.parquet")) as table:
        assert visible(name) in parquet.read_table(table)["name"].to_pylist()


def test_pictures_of_odd_names(odd: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["filter", DATA, "--kernel", "edge", "--out", f"{RUN}-filtered"],
        ["data", DATA],
        ["data", DATA, "--augment", "folder/default"],
        ["explain", odd.bundle(), IMAGE, "--method", "gradient", "--out", f"{RUN}-explained"],
    ):
        assert run(command) == 0
        out, _ = capsys.readouterr()
        assert all(line.isprintable() for line in out.splitlines())
    (drawing,) = Path(f"{RUN}-explained").glob("*.svg")
    ElementTree.parse(drawing)


def test_a_configuration_holds_any_path() -> None:
    config = override(recipe("digits/default"), [f"data.source={DATA!r}"])
    assert config.data.source == DATA
    assert to_json(config)["data"]["source"] == DATA
    assert json.loads(json.dumps(to_json(config))) == to_json(config)
