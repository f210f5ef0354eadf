"""The study of benchmarks/transfer.py, in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from few_digits import ALL
from PIL import Image

from convworks.data.column import Arrays
from convworks.data.sources.open import open_source

DIGITS = ALL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Digits as class folders of train and test."""
    for split, part in open_source("digits").splits.items():
        assert isinstance(part.inputs, Arrays)
        for digit in range(4):
            place = tmp_path / "digits" / split / str(digit)
            place.mkdir(parents=True)
            for number, pixels in enumerate(part.inputs.values[part.labels == digit][:20]):
                Image.fromarray(np.ascontiguousarray(pixels[:, :, 0])).save(place / f"{number:02d}.png")
    return tmp_path / "digits"


@pytest.mark.slow
def test_the_study_is_done_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    from benchmarks.transfer import cifar

    methods = ("from scratch", "frozen", "linear SVM")
    out, asked = tmp_path / "study", ("training.epochs=1",)
    study = cifar(folder, out, known="01", new="23", counts=(4, 8), seeds=1, base=asked, options=asked, methods=methods)
    assert [(row["method"], row["images"]) for row in study.rows] == [(m, n) for n in (4, 8) for m in methods]
    assert all(row["n"] == 40 for row in study.rows)
    assert len(list((out / "data" / "new-4-0" / "train" / "2").iterdir())) == 4
    assert (out / "table.md").read_text().startswith("| images | 4 | 8 |\n")
    assert (out / "curve.svg").read_text().startswith("<svg")
    lines = (out / "runs.jsonl").read_text()
    again = cifar(folder, out, known="01", new="23", counts=(4, 8), seeds=1, base=asked, options=asked, methods=methods)
    assert (out / "runs.jsonl").read_text() == lines
    assert again.rows == study.rows
