"""What is deployed is measured: exported files and other libraries, against what `predict` answers by them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_bundles import formats, small_bundle

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.deploy.export import find_format, prove, write
from convworks.errors import InputError

CLASSES, EACH = "abcde", 6


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a bundle, and a folder of images of each class."""
    root = tmp_path_factory.mktemp("deployed")
    save_bundle(root / "bundle", small_bundle("convnet_digits", 8))
    draw = np.random.default_rng(0)
    for name in CLASSES:
        (root / "images" / name).mkdir(parents=True)
        for number in range(EACH):
            pixels = draw.integers(0, 256, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / name / f"{number}.png")
    return root


def exported(place: Path, form: str) -> Path:
    file = (place / "network").with_suffix(find_format(form).suffixes[0])
    if not file.exists():
        write(prove(small_bundle("convnet_digits", 8), find_format(form)), file)
    return file


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    capsys.readouterr()
    assert run([*map(str, words), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def right_of(predicted: Any, place: Path) -> float:
    """Return the accuracy of what `predict` answers."""
    rows = predicted["predictions"]
    assert len(rows) == len(CLASSES) * EACH
    return float(
        np.mean([row["labels"][0] == Path(row["path"]).relative_to(place / "images").parts[0] for row in rows])
    )


@pytest.mark.parametrize("form", formats("pt2", "onnx", "openvino"))
@pytest.mark.parametrize("protocol", ["center", "ten-crop"])
def test_an_exported_file_is_measured_by_what_it_answers(
    form: str, protocol: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported(place, form)
    options: Sequence[str] = ("--protocol", protocol, "--precision", "float32")
    predicted = answer(capsys, "predict", file, place / "images", "--top", 1, *options)
    measured = answer(capsys, "evaluate", file, "--data", place / "images", *options)
    assert (measured["n"], measured["top1"]) == (len(CLASSES) * EACH, right_of(predicted, place))
    assert (
        measured["runtime"]
        == predicted["runtime"]
        == {"name": form, "why": "the file was exported for it", "rates": {}}
    )
    assert measured["precisions"] == ["float32"]
    bundle = answer(capsys, "evaluate", place / "bundle", "--data", place / "images", *options)
    assert measured["top1"] == pytest.approx(bundle["top1"], abs=1 / measured["n"])
    assert measured["views"] == bundle["views"]


@pytest.mark.parametrize("name", ["torch", *formats("onnx", "openvino")])
def test_a_bundle_is_measured_in_the_runtime_that_is_named(
    name: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--runtime", name, "--device", "cpu")
    predicted = answer(capsys, "predict", place / "bundle", place / "images", "--top", 1, *options)
    measured = answer(capsys, "evaluate", place / "bundle", "--data", place / "images", *options)
    assert measured["top1"] == right_of(predicted, place)
    assert measured["runtime"]["name"] == name
    assert measured["precisions"] == [predicted["precision"]]


def test_files_and_bundles_are_measured_together_and_reported(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = exported(place, "pt2"), tmp_path / "out"
    measured = answer(capsys, "evaluate", file, place / "bundle", "--data", place / "images", "--out", out)
    predicted = answer(capsys, "predict", file, place / "images", "--ensemble", place / "bundle", "--top", 1)
    assert measured["top1"] == right_of(predicted, place)
    assert [each["name"] for each in measured["runtimes"]] == ["pt2", "torch"]
    assert "was exported: its features are not known" in (out / "errors.html").read_text()


def test_python_refuses_a_runtime_that_an_exported_file_is_not_for(place: Path) -> None:
    file = exported(place, "pt2")
    assert convworks.load(file, runtime="auto").runtime.name == convworks.load(file).runtime.name == "pt2"
    with pytest.raises(InputError, match="there is no runtime 'nonsense'; choose from"):
        convworks.load(file, runtime="nonsense")
    for name in ("torch", "onnx"):
        with pytest.raises(InputError, match=f"the file was exported for pt2, not for {name}"):
            convworks.load(file, runtime=name)
