"""An int8 that little was measured of says so, in a line of its own and in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_bundles import needs, small_bundle

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.data.sources.open import open_source
from convworks.deploy.drop import Before, doubts
from convworks.inference.exported.read import read_exported


@pytest.mark.parametrize(
    ("calibrated", "measured", "words"),
    [
        (300, 10_000, ()),
        (50, 50, ()),
        (300, 49, ("the accuracy in int8 was measured on only 49 images; calibrate on at least 50 images",)),
        (1, 100, ("the ranges of values are those of only 1 image; calibrate on at least 50 images",)),
        (
            2,
            None,
            (
                "the accuracy in int8 was not measured (x has no labels), and the ranges of values are those of "
                "only 2 images; calibrate on at least 50 images with labels",
            ),
        ),
    ],
)
def test_few_images_are_doubted(calibrated: int, measured: int | None, words: tuple[str, ...]) -> None:
    before = None
    if measured is not None:
        bundle, source = small_bundle("convnet_digits", 8), open_source("digits")
        before = Before(bundle=bundle, source=source, value=1.0, samples=measured, outputs=[])
    assert doubts(calibrated, before, "x has no labels") == words


@needs("onnx")
def test_what_was_not_measured_is_said_in_the_answer_and_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nncf", reason='nncf missing: pip install "convworks[deploy]"')
    monkeypatch.chdir(tmp_path)
    save_bundle(Path("net"), small_bundle("convnet_digits", 8))
    Path("photos").mkdir()
    for seed in range(2):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"photos/{seed}.png")
    status = run(["export", "net", "--format", "onnx", "--int8", "--calibrate", "photos", "--out", "net.onnx"])
    told = capsys.readouterr()
    assert status == 0, told.err
    (line,) = [line for line in told.out.splitlines() if line.startswith("warning: ")]
    assert "accuracy in int8 was not measured" in line
    assert "only 2 images" in line
    assert read_exported(Path("net.onnx")).description["export"]["warnings"] == [line.removeprefix("warning: ")]
    assert convworks.load("net.onnx").classes == tuple("abcde")
