"""The validation split that a run made is that of its results, wherever its bundle is evaluated later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from few_digits import train_on_few
from trained_squares import place

import convworks
from convworks.cli.main import run
from convworks.errors import InputError

__all__ = ["place", "train_on_few"]


@pytest.fixture
def digits(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """Train on digits, whose source has no validation split."""
    options: dict[str, Any] = {"epochs": 1, "device": "cpu", "overrides": ["precision=float32"]}
    result = convworks.train("digits/default", out=tmp_path / "run", seed=3, **options)
    return tmp_path / "run", result["validation"]


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    assert run([*map(str, words), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_it_is_measured_as_by_the_run(
    digits: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, expected = digits
    copied = shutil.copytree(folder / "bundle", tmp_path / "copied")
    out = tmp_path / "page"
    measured = answer(capsys, "evaluate", copied, "--data", "digits", "--split", "validation", "--out", out)
    assert {name: measured[name] for name in expected} == expected
    assert (out / "errors.html").is_file()
    in_python = convworks.load(copied).evaluate("digits", split="validation")
    assert in_python["n"] == expected["n"]
    compared = convworks.compare(folder, copied, data="digits", split="validation")
    assert (compared["n"], compared["difference"]) == (expected["n"], 0)


def test_networks_that_held_out_different_images_have_no_validation_split_together(
    digits: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {"epochs": 1, "device": "cpu", "overrides": ["precision=float32"]}
    convworks.train("digits/default", out=tmp_path / "other", seed=4, **options)
    words = ["evaluate", digits[0], tmp_path / "other", "--data", "digits", "--split", "validation"]
    assert run([*map(str, words)]) == 2
    reason = "--split: validation is not one split of digits: the runs of these bundles held out different images"
    assert reason in capsys.readouterr().err


def test_masks_too_and_other_images_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = json.loads((place / "run" / "run.json").read_text())["results"]["validation"]
    moved = shutil.copytree(place / "pairs", tmp_path / "moved")
    measured = answer(capsys, "evaluate", place / "run", "--data", moved, "--split", "validation")
    assert {name: measured[name] for name in expected} == expected
    (moved / "images" / "3.png").unlink()
    (moved / "masks" / "3.png").unlink()
    reason = "split: validation: moved has no such split, nor the images that the run held out"
    with pytest.raises(InputError, match=reason):
        convworks.load(place / "run").evaluate(moved, split="validation")
