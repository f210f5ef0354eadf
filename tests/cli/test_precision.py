"""`--precision` of evaluate and predict, and of `convworks.load`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from workplace import Place, Rows, check_row, evaluate, predict

import convworks
from convworks.cli.main import run
from convworks.errors import InputError
from convworks.hardware import choose_precision

ROWS: Rows = {
    "of evaluate": (
        lambda p: [*evaluate(p.bundle(), p.folder(classes="012")), "--precision", "bfloat"],
        "--precision: there is no precision 'bfloat' (did you mean 'bfloat16' | choose from auto, float32, bfloat16",
    ),
    "of predict": (
        lambda p: [*predict(p.bundle(), p.folder()), "--precision", "fp16"],
        "--precision: there is no precision 'fp16' | choose from auto, float32, bfloat16",
    ),
    "before the bundle": (lambda p: [*predict("gone", p.folder()), "--precision", "half"], "--precision: there is no"),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_what_was_asked_for_is_what_computes(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, folder = place.bundle(), place.folder()
    image = f"{folder}/a/0.png"
    found = {name: answer([*predict(bundle, image), "--precision", name], capsys) for name in ("float32", "bfloat16")}
    assert {name: values["precision"] for name, values in found.items()} == {
        "float32": "float32",
        "bfloat16": "bfloat16",
    }
    probabilities = {}
    for name, values in found.items():
        (row,) = convworks.load(bundle, device="cpu", precision=name).predict([image])
        assert values["predictions"] == [row], "as in Python"
        probabilities[name] = dict(zip(row["labels"], row["probabilities"], strict=True))
    wide, narrow = (np.array([probabilities[name][label] for label in "ab"]) for name in ("float32", "bfloat16"))
    assert 0 < np.abs(wide - narrow).max() < 0.02, "eight bits of mantissa, not 24"


def test_evaluate_says_it_and_its_report_repeats_it(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, folder = place.bundle(), place.folder()
    values = answer([*evaluate(bundle, folder), "--precision", "float32", "--out", "report"], capsys)
    assert values["precisions"] == ["float32"]
    assert "--precision float32" in (place.root / "report" / "report.html").read_text()
    auto = answer(evaluate(bundle, folder), capsys)
    assert auto["precisions"] == [str(convworks.load(bundle, device="auto").precision).removeprefix("torch.")]


def test_an_unknown_one_is_refused_in_python(place: Place) -> None:
    with pytest.raises(InputError, match="there is no precision 'float16'"):
        convworks.load(place.bundle(), precision="float16")
    with pytest.raises(InputError, match="there is no precision 'BF16'"):
        choose_precision("BF16", torch.device("cpu"))
