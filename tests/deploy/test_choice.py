"""The library that computes a bundle: named, or measured once, remembered, and replaced where it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_bundles import needs, small_bundle
from torch import Tensor, nn

import convworks
from convworks.bundle.bundle import Bundle, save_bundle
from convworks.deploy import choice, kept
from convworks.deploy.choice import with_runtime
from convworks.deploy.export import Proven, prove
from convworks.deploy.runtimes import CONVERTED
from convworks.errors import InputError, RunError
from convworks.inference.exported.format import Format
from convworks.inference.exported.read import FORMATS
from convworks.inference.load import load
from convworks.inference.predictor import Predictor
from convworks.serve.compute import load_served

IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("choice") / "bundle"
    save_bundle(path, small_bundle("convnet_digits", 8))
    return path


@pytest.fixture
def predictor(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """Give a predictor, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CONVWORKS_CACHE_LIMIT", "1GB")
    return load(bundle, device="cpu", precision="float32")


@needs("onnx")
def test_a_named_runtime_gives_the_same_answers_and_a_network_is_converted_once(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def noted(bundle: Bundle, form: Format) -> Proven:
        names.append(form.name)
        return prove(bundle, form)

    monkeypatch.setattr(choice, "prove", noted)
    expected = predictor.predict(IMAGE[None])
    for _ in range(2):
        chosen, facts = with_runtime(predictor, "onnx", 1)
        assert (facts.runtime, facts.precision, chosen.runtime.name) == ("onnx", "float32", "onnx")
        assert chosen.predict(IMAGE[None])[0]["labels"] == expected[0]["labels"]
        np.testing.assert_allclose(
            chosen.predict(IMAGE[None])[0]["probabilities"], expected[0]["probabilities"], atol=1e-5
        )
    assert names == ["onnx"]
    assert kept.clear() > 0
    with_runtime(predictor, "onnx", 1)
    assert names == ["onnx", "onnx"]


@needs("onnx")
def test_auto_measures_once_and_remembers(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "CONVERTED", ("onnx",))
    speeds = {"torch": 2.0, "onnx": 1.0}
    measured: list[str] = []

    def seconds(runtime: object, batch: object) -> float:
        measured.append(runtime.name)  # type: ignore[attr-defined]
        return speeds[measured[-1]]

    monkeypatch.setattr(choice, "seconds", seconds)
    _, first = with_runtime(predictor, "auto", 1)
    assert (first.runtime, measured) == ("onnx", ["torch", "onnx"])
    assert "the fastest of onnx float32 1/s, torch float32 0/s" in first.text
    _, again = with_runtime(predictor, None, 1)
    assert (again.runtime, measured) == ("onnx", ["torch", "onnx"])
    assert kept.all_choices()[0]["runtime"] == "onnx"
    with_runtime(predictor, "auto", 1000)  # another batch size
    assert len(measured) == 4
    for file in kept.folder().rglob("*.onnx"):  # damaged: it is converted again
        file.write_bytes(b"")
    assert with_runtime(predictor, "auto", 1)[1].runtime == "onnx"


@needs("onnx")
def test_what_was_measured_on_a_busy_machine_is_measured_again_on_an_idle_one(
    bundle: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that reloads computes meanwhile: its choice stands for its next reload, not for its next start."""
    monkeypatch.setattr(choice, "CONVERTED", ("onnx",))
    speeds = {"torch": 1.0, "onnx": 2.0}
    measured: list[str] = []

    def seconds(runtime: object, batch: object) -> float:
        measured.append(runtime.name)  # type: ignore[attr-defined]
        return speeds[measured[-1]]

    def served(*, busy: bool) -> str:
        options: dict[str, Any] = {"runtime": "auto", "device": "cpu", "precision": "float32", "max_pixels": None}
        return str(load_served("x", [bundle], **options, max_batch=None, busy=busy).facts["runtime"])

    monkeypatch.setattr(choice, "seconds", seconds)
    assert (served(busy=True), len(measured)) == ("torch", 2)
    speeds["onnx"] = 0.5
    assert (served(busy=True), len(measured)) == ("torch", 2)
    loaded = convworks.load(bundle, device="cpu", precision="float32", runtime="auto")
    assert (loaded.runtime.name, len(measured)) == ("onnx", 4)
    speeds["onnx"] = 2.0
    assert [served(busy=busy) for busy in (True, False)] == ["onnx", "onnx"]
    assert len(measured) == 4


def test_what_does_not_give_the_answers_is_left_out(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def disagrees(bundle: object, form: object) -> None:
        raise RunError("--format onnx", "the export differs from PyTorch")

    monkeypatch.setattr(choice, "prove", disagrees)
    _, facts = with_runtime(predictor, "auto", 1)
    assert facts.runtime == "torch"
    lines = capsys.readouterr().err
    for name in [each for each in CONVERTED if FORMATS[each].installed]:
        assert f"{name} is left out: format='onnx': the export differs" in lines


class Pooled(nn.Module):
    """A network that pools maps smaller than its window, which OpenVINO refuses to read."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.avg_pool2d(images, 4)
        outputs: Tensor = self.layer(nn.functional.max_pool2d(maps, 3, 2, ceil_mode=True).flatten(1))
        return outputs


@needs("openvino")
@pytest.mark.usefixtures("predictor")
def test_what_openvino_cannot_read_is_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Bundle(**{**vars(small_bundle("convnet_digits", 8)), "network": Pooled().eval()})
    with pytest.raises(InputError, match=r"network: cannot be converted by OpenVINO \(.*MaxPool"):
        prove(own, FORMATS["openvino"])
    monkeypatch.setattr(choice, "CONVERTED", ("openvino",))
    predictor = Predictor(bundle=own, network=own.network, precision=torch.float32)
    assert with_runtime(predictor, "auto", 1)[1].runtime == "torch"
    assert "openvino is left out: network: cannot be converted" in capsys.readouterr().err


def test_few_images_are_not_worth_measuring(predictor: Predictor) -> None:
    assert with_runtime(predictor, None, 1000)[1].runtime == "torch"
    assert kept.all_choices() == []


def test_wrong_names(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"runtime: there is no runtime 'onyx' \(did you mean 'onnx'"):
        convworks.load(bundle, runtime="onyx")
    monkeypatch.setattr("convworks.inference.exported.format.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"runtime='onnx': needs onnxruntime, .* pip install .convworks\[deploy\]"):
        convworks.load(bundle, runtime="onnx")


def test_the_type_of_products_is_measured_too(
    bundle: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of dilated and grouped layers, bfloat16 can be the slower type."""
    monkeypatch.setattr("convworks.deploy.choice.CONVERTED", ())
    monkeypatch.setattr(choice, "seconds", lambda runtime, batch: 2.0 if runtime.precision == torch.bfloat16 else 1.0)
    halves = load(bundle, device="cpu", precision="bfloat16")
    for _ in range(2):  # measured, then remembered
        chosen, facts = with_runtime(halves, "auto", 1000)
        assert (facts.runtime, facts.precision, chosen.runtime.precision) == ("torch", "float32", torch.float32)
    assert set(facts.rates) == {"torch bfloat16", "torch float32"}
