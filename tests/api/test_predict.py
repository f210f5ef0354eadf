"""`convworks.predict_to`: the answers of `predict` in a file, the same however it came about."""

from __future__ import annotations

import csv
import errno
import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crash
import numpy as np
import pytest
from crash import Moments
from PIL import Image
from serving import serving
from small_bundles import needs, small_bundle
from workplace import environment, snapshot

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source
from convworks.errors import InputError, RunError
from convworks.inference.bulk import scorers, unfinished
from convworks.inference.bulk.formats import format_of
from convworks.inference.ensemble import combine
from convworks.tasks.classification import CLASSIFICATION

FILES, ALL, BATCH = 45, 47, 8
FORMATS = ("csv", "jsonl", "parquet")
ODD = os.fsdecode(b"=\xff\n.png")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a working directory beside bundles and images, of which two are damaged; batches are small."""
    root = tmp_path_factory.mktemp("given")
    for name, seed in (("bundle", 0), ("other", 1), ("labels", 0)):
        task = "multi_label" if name == "labels" else "classification"
        made = small_bundle("convnet_digits", 8, task=task)
        with_seed(made, seed)
        save_bundle(root / name, made)
    (root / "images" / "a").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for number in range(FILES):
        pixels = draw.integers(0, 256, (11, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / ("a" if number % 2 else "") / f"{number:02}.png")
    (root / "images" / "07.png").write_text("no image")
    (root / "images" / "a" / ODD).write_bytes((root / "images" / "00.png").read_bytes()[:60])
    for name in ("bundle", "other", "labels", "images"):
        (tmp_path / name).symlink_to(root / name)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(scorers, "MOST", BATCH)
    return tmp_path


def with_seed(bundle: Any, seed: int) -> None:
    """Change the weights of a bundle."""
    import torch

    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in bundle.network.parameters():
            parameter += seed * 0.05 * torch.randn_like(parameter)


def predict(out: str = "x.csv", bundle: Any = "../bundle", **options: Any) -> bytes:
    convworks.predict_to(bundle, "../images", out, precision="float32", **options)
    return Path(out).read_bytes()


def rows_of(path: str) -> list[dict[str, Any]]:
    if path.endswith(".csv"):
        with Path(path).open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return list(csv.DictReader(file))
    if path.endswith(".jsonl"):
        return [json.loads(line) for line in Path(path).read_text().splitlines()]
    from pyarrow import parquet

    table: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return table


def test_every_format_says_what_the_predictor_says() -> None:
    for suffix in FORMATS:
        predict(f"x.{suffix}", top=3)
    lines = rows_of("x.jsonl")
    files = [Path(row["path"]) for row in lines]
    assert lines == list(convworks.load("../bundle", precision="float32").predict_files(files, top=3))
    assert (len(lines), sum("error" in row for row in lines)) == (ALL, 2)
    assert files == sorted(files, key=lambda path: (path.parent.name == "a", path))
    for row, line in zip(rows_of("x.csv"), lines, strict=True):
        assert row["path"].removeprefix("'") == line["path"]
        assert row["error"] == line.get("error", "")
        assert [row[f"label{n}"] for n in (1, 2, 3)] == line.get("labels", [""] * 3)
        assert [row[f"probability{n}"] for n in (1, 2, 3)] == [str(p) for p in line.get("probabilities", [""] * 3)]
    for row, line in zip(rows_of("x.parquet"), lines, strict=True):
        assert (row["error"], row["labels"]) == (line.get("error"), line.get("labels"))
        assert row["probabilities"] == line.get("probabilities")
    assert rows_of("x.parquet")[-1]["path"] == "../images/a/=\\xff\\n.png"
    assert set(os.listdir()) == {f"x.{suffix}{mark}" for suffix in FORMATS for mark in ("", ".job.json")}


def test_columns_of_classes_and_predicted_labels() -> None:
    for suffix in ("csv", "parquet"):
        predict(f"x.{suffix}", bundle="../labels", probabilities=True, threshold=0.4)
    for text, cells in zip(rows_of("x.csv"), rows_of("x.parquet"), strict=True):
        assert list(text) == list(cells) == ["path", "predicted", *(f"p:{name}" for name in "abcde"), "error"]
        if not text["error"]:
            assert text["predicted"] == ";".join(cells["predicted"])
            assert [name for name in "abcde" if cells[f"p:{name}"] >= 0.4] == cells["predicted"]
            assert [float(text[f"p:{name}"]) for name in "abcde"] == [cells[f"p:{name}"] for name in "abcde"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_interrupted_at_any_moment_and_resumed_it_is_the_same_byte_for_byte(
    suffix: str, place: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "INTERVAL", 0.0)  # a record after every batch
    out, work = f"x.{suffix}", place / "work"
    with Moments(work, tmp_path_factory.mktemp("moments")).kept() as moments:
        whole = predict(out)
    last = moments.copies.pop()
    assert snapshot(last).keys() == {out, f"{out}.job.json"}
    assert len(moments.copies) > 2 * FILES // BATCH
    for copy in [*random.Random(suffix).sample(moments.copies, 6), moments.copies[-1]]:
        moments.restore(copy)
        if (work / out).exists() and not (work / f"{out}.unfinished" / "job.json").exists():
            continue  # finished, but for an empty folder
        for _ in range(2):
            assert predict(out, resume=True) == whole, copy
            assert snapshot(work).keys() == {out, f"{out}.job.json"}, copy


def test_a_killed_process_is_resumed(place: Path) -> None:
    whole = predict("whole.csv")
    words = ["predict", "../bundle", "../images", "--out", "x.csv", "--precision", "float32", "--skip-damaged"]
    patched = f"import sys, crash; from convworks.inference.bulk import scorers, unfinished; scorers.MOST = {BATCH}; "
    command = [sys.executable, "-c", f"{patched}unfinished.INTERVAL = 0; crash.main()", "4", *words]
    tests = os.pathsep.join([environment()["PYTHONPATH"], str(Path(crash.__file__).parent)])
    done = subprocess.run(command, env={**environment(), "PYTHONPATH": tests}, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert json.loads(Path("x.csv.unfinished/job.json").read_text())["rows"] == 2 * BATCH
    with pytest.raises(
        InputError, match=r"begun before, 16 of 47 rows .* go on with resume=True, or start again with overwrite=True"
    ):
        predict()
    found = convworks.predict_to("../bundle", "../images", "x.csv", precision="float32", resume=True)
    assert (found["rows"], found["resumed"], found["failed"]) == (ALL, 2 * BATCH, 2)
    assert Path("x.csv").read_bytes() == whole


@pytest.mark.parametrize("resume", [False, True], ids=["begun without resume", "begun with it"])
def test_a_finished_file_is_resumed_by_the_same_job_alone(place: Path, resume: bool) -> None:
    words: dict[str, Any] = {"bundle": "../bundle", "sources": "../images", "out": "x.csv", "precision": "float32"}
    convworks.predict_to(**words, resume=resume)
    whole = Path("x.csv").read_bytes()
    again = convworks.predict_to(**words, resume=True)
    assert (again["rows"], again["resumed"], again["failed"], len(again["errors"])) == (ALL, ALL, 2, 2)
    with pytest.raises(InputError, match="exists"):
        convworks.predict_to(**words)
    for other, reason in (({"bundle": "../other"}, "another bundle"), ({"top": 2}, "top 5, not 2")):
        with pytest.raises(InputError, match=f"begun with {reason}"):
            convworks.predict_to(**words | other, resume=True)
    image = next((place / "images").resolve().glob("*.png"))
    os.utime(image, ns=(0, 1))
    with pytest.raises(InputError, match="begun with other images, or some that have changed"):
        convworks.predict_to(**words, resume=True)
    assert Path("x.csv").read_bytes() == whole
    Path("x.csv").write_bytes(whole[:-1])
    with pytest.raises(InputError, match="exists"):
        convworks.predict_to(**words, resume=True)
    convworks.predict_to(**words, overwrite=True)
    assert sorted(os.listdir()) == ["x.csv", "x.csv.job.json"]
    assert convworks.predict_to(**words, resume=True)["resumed"] == ALL


def test_shards_end_to_end_are_the_whole() -> None:
    whole = predict("x.jsonl")
    text = predict("x.csv")
    for of in (1, 3, 16):
        names = [f"{of}-{number}" for number in range(1, of + 1)]
        parts = [predict(f"{name}.jsonl", shard=name.split("-")[1] + f"/{of}", skip_damaged=True) for name in names]
        assert b"".join(parts) == whole
        assert max(part.count(b"\n") for part in parts) <= -(-6 // of) * BATCH
    head = text[: text.index(b"\n") + 1]
    parts = [predict(f"p{number}.csv", shard=f"{number}/3") for number in (1, 2, 3)]
    assert head + b"".join(part.removeprefix(head) for part in parts) == text
    predict("x.parquet")
    rows = []
    for number in (1, 2, 3):
        predict(f"p{number}.parquet", shard=f"{number}/3")
        rows += rows_of(f"p{number}.parquet")
    assert rows == rows_of("x.parquet")


def test_an_ensemble_and_its_views_are_those_of_evaluate() -> None:
    lines = ["path,label", *(f"../images/{number:02}.png,a" for number in range(0, FILES, 2))]
    Path("list.csv").write_text("\n".join([*lines, "../images/a/01.png,b"]))
    source = open_source("list.csv")
    members = [convworks.load(f"../{name}", precision="float32") for name in ("bundle", "other")]
    for protocol, how in (("center", "probability"), ("flip", "logit"), ("ten-crop", "vote"), ("dense", "probability")):
        outcomes = [member.outcome(source, protocol=protocol) for member in members]
        expected = combine(outcomes, CLASSIFICATION.activation, how).values
        options: dict[str, Any] = {"protocol": protocol, "combine": how, "probabilities": True, "precision": "float32"}
        convworks.predict_to(["../bundle", "../other"], "list.csv", f"{protocol}.csv", **options)
        rows = [[float(row[f"p:{name}"]) for name in "abcde"] for row in rows_of(f"{protocol}.csv")]
        np.testing.assert_allclose(rows, expected, atol=2e-6)


@needs("onnx")
def test_views_by_another_runtime() -> None:
    for runtime in ("torch", "onnx"):
        predict(f"{runtime}.csv", runtime=runtime, protocol="ten-crop", probabilities=True)
    for first, second in zip(rows_of("torch.csv"), rows_of("onnx.csv"), strict=True):
        for name in "abcde" if not first["error"] else "":
            assert float(first[f"p:{name}"]) == pytest.approx(float(second[f"p:{name}"]), abs=1e-4)


def test_one_process_writes_a_file() -> None:
    form = format_of(".jsonl", {})
    with unfinished.unfinished(Path("x.jsonl"), {"count": 1}, form, resume=False, overwrite=False) as state:
        state.add("{}\n", [{}])
        with pytest.raises(InputError, match="is being written by another process"):
            predict("x.jsonl", overwrite=True)
    assert Path("x.jsonl").read_text() == "{}\n"


def test_a_full_disk_and_ctrl_c_keep_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "INTERVAL", 0.0)
    whole = predict("whole.csv")

    def after(number: int, error: BaseException) -> Callable[[int], None]:
        calls = itertools.count()

        def fsync(handle: int) -> None:
            if next(calls) >= number:
                raise error

        return fsync

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for number, error, kind, words in (
        (6, full, RunError, "x.csv: No space left on device; free some space, .* again with resume=True"),
        (
            6,
            KeyboardInterrupt(),
            unfinished.InterruptedJobError,
            "rows are kept; run the same command again with resume=True",
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", after(number, error))
            with pytest.raises(kind, match=words):
                predict()
        assert not Path("x.csv").exists()
        assert predict(resume=True) == whole
        Path("x.csv").unlink()
        Path("x.csv.job.json").unlink()
    with monkeypatch.context() as patch:  # nothing is kept of nothing
        patch.setattr("os.fsync", after(0, full))
        with pytest.raises(OSError, match="No space"):
            predict()
    assert sorted(os.listdir()) == ["whole.csv", "whole.csv.job.json"]


def test_a_server_that_is_lost_ends_the_run_and_costs_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train", "test"):
        (place / "photos" / name).mkdir(parents=True)
        for number in range(12):
            image = place / "images" / f"{2 * number:02}.png"
            (place / "photos" / name / f"{number}.png").write_bytes(image.read_bytes())
    (place / "list.csv").write_text(
        "path,label\n" + "".join(f"photos/{s}/{n}.png,{s}\n" for s in ("train", "test") for n in range(12))
    )
    pack(open_source(place / "list.csv"), place / "shards", shard_size=4000)
    convworks.predict_to("../bundle", "../shards", "local.csv", precision="float32")
    with serving(place, monkeypatch) as server:
        monkeypatch.setattr(unfinished, "INTERVAL", 0.0)
        address = f"{server.address}/shards/"
        server.behaviour = ["well"] * 12 + ["503"] * 100
        with pytest.raises(RunError, match=r"503.*run the same command again with resume=True"):
            convworks.predict_to("../bundle", address, "remote.csv", precision="float32")
        server.behaviour = []
        found = convworks.predict_to("../bundle", address, "remote.csv", precision="float32", resume=True)
    assert 0 < found["resumed"] < found["rows"] == 24
    there, here = rows_of("remote.csv"), rows_of("local.csv")
    assert [row | {"path": ""} for row in there] == [row | {"path": ""} for row in here]
    assert [row["path"].rpartition("/")[2] for row in there] == [row["path"].rpartition("/")[2] for row in here]
