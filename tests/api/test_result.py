"""What a notebook shows of results, networks and errors."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
import torch

import convworks
from convworks.api.result import TrainingResult
from convworks.errors import InputError, RunError


@pytest.fixture(scope="module")
def result(any_run: Path) -> TrainingResult:
    results = json.loads((any_run / "run.json").read_text())["results"]
    paths = {"run": str(any_run), "bundle": str(any_run / "bundle"), "report": str(any_run / "report.html")}
    return TrainingResult({**results, **paths})


def test_train_returns_one(tmp_path: Path) -> None:
    result = convworks.train("digits/default", epochs=1, out=tmp_path / "run", device="cpu")
    assert isinstance(result, dict)
    assert json.loads(json.dumps(result))["run"] == result["run"]
    assert [row["epoch"] for row in result.history] == [1]
    assert result.predictor is result.predictor
    assert result.predictor.classes == tuple("0123456789")


def test_a_result_is_one_line_and_a_table_with_curves(result: TrainingResult, tmp_path: Path) -> None:
    assert repr(result).startswith(f"TrainingResult({result['run']}: validation accuracy ")
    assert "\n" not in repr(result)
    page = result._repr_html_()
    assert "<svg" in page
    assert result["bundle"] in page
    assert result.plot()._repr_svg_().startswith("<svg")
    assert result.plot().save(tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_result_of_another_process_is_empty() -> None:
    assert repr(TrainingResult()) == TrainingResult()._repr_html_() == "TrainingResult()"


def test_a_predictor_is_one_line(any_run: Path) -> None:
    predictor = convworks.load(any_run, device="cpu")
    assert repr(predictor) == "Predictor(convnet_digits, 8x8x1, 10 classes (0, 1, 2, 3, ...), float32 on cpu)"


def test_create_builds_an_untrained_network() -> None:
    network = convworks.create("resnet20", classes=7, size=24)
    assert network(torch.zeros(2, 3, 24, 24)).shape == (2, 7)
    with pytest.raises(InputError, match="did you mean 'resnet50'"):
        convworks.create("ResNet50")


def test_wrong_input_shows_no_frames_of_convworks() -> None:
    with pytest.raises(InputError) as caught:
        convworks.train("mnist/fats")
    files = [Path(frame.filename) for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert [file.name for file in files if file.is_relative_to(Path(convworks.__file__).parent)] == ["errors.py"]
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("kind", [InputError, RunError])
def test_a_notebook_shows_the_message_alone(kind: type[InputError | RunError]) -> None:
    """IPython calls this method in the place of its own traceback."""
    assert kind("a.png", "is not an image", "remove it")._render_traceback_() == [
        f"{kind.__name__}: a.png: is not an image; remove it"
    ]
