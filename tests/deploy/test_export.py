"""What is exported gives PyTorch's answers in the library that computes it; what does not is never written."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_bundles import MEAN, STD, needs, small_bundle
from torch import Tensor, nn

import convworks
from convworks import files
from convworks.bundle.bundle import Bundle, load_bundle, save_bundle
from convworks.data.sources.open import open_source
from convworks.deploy import int8
from convworks.deploy.convert import CONVERTERS, Converter, to_onnx
from convworks.deploy.drop import check_drop, measure_before, measure_drop
from convworks.deploy.export import find_format, prove, write
from convworks.errors import InputError, RunError
from convworks.inference.exported.format import Files
from convworks.inference.exported.onnx import SUFFIX
from convworks.inference.runtime import TorchRuntime
from convworks.layers.network import Network

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 80, 80, 3), dtype=np.uint8)
SLOW = [
    pytest.param(*row, marks=[pytest.mark.slow, needs(row[2])])
    for row in [
        ("alexnet", 67, "onnx", "classification"),
        ("bn_inception", 32, "openvino", "classification"),
        ("inception_v3", 75, "onnx", "classification"),
        ("resnet50", 64, "openvino", "classification"),
        ("resnet20", 16, "pt2", "multi_label"),
        ("vgg_a", 32, "onnx", "classification"),
        ("airbench94", 32, "openvino", "classification"),
        ("googlenet", 33, "pt2", "classification"),
    ]
]


def right(bundle: Bundle, images: np.ndarray) -> Tensor:
    """Compute activated outputs from the definition: normalised pixels through the network.

    In double precision: what PyTorch rounds in float32 is 1e-5 of a probability in a ResNet-50 of random weights.
    """
    side = bundle.preprocessing.size[0]
    pixels = torch.from_numpy(images[:, :side, :side]).permute(0, 3, 1, 2).double() / 255
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (MEAN, STD))
    with torch.no_grad():
        return bundle.task.activation.apply(copy.deepcopy(bundle.network).double()((pixels - mean) / std))


@pytest.mark.parametrize(
    ("network", "side", "form", "task"),
    [
        pytest.param("resnet20", 16, "onnx", "classification", marks=needs("onnx")),
        pytest.param("googlenet", 33, "onnx", "classification", marks=needs("onnx")),  # branches, and LRN
        pytest.param("convnet_digits", 8, "openvino", "multi_label", marks=needs("openvino")),
        pytest.param("autoencoder_conv", 28, "openvino", "reconstruction", marks=needs("openvino")),
        pytest.param("autoencoder_conv", 28, "pt2", "reconstruction"),
        *SLOW,
    ],
)
def test_the_file_alone_gives_the_answers_of_the_network(
    network: str, side: int, form: str, task: str, tmp_path: Path
) -> None:
    bundle = small_bundle(network, side, task=task)
    proven = prove(bundle, find_format(form))
    assert proven.checks[0].precision == "float32"
    assert max(proven.checks[0].difference, proven.checks[0].raw_difference) <= 1e-4
    assert "noise" in proven.samples.words
    file = tmp_path / f"network{proven.format.suffixes[0]}"
    write(proven, file)
    predictor = convworks.load(file, precision="float32")
    assert (predictor.classes, predictor.task) == (bundle.classes, bundle.task)
    images = IMAGES[:, :side, :side]
    expected = right(bundle, images).numpy()
    for count in (1, 2, 5):
        batch = predictor.input.stack(list(images[:count]))
        outputs = bundle.task.activation.apply(predictor.runtime(batch)).numpy()
        np.testing.assert_allclose(outputs, expected[:count], atol=1e-5)
    if not bundle.classes:
        assert predictor.reconstruct(list(images)).shape == images.shape
        return
    answers = predictor.predict(list(images), top=len(bundle.classes))
    for answer, row in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer["probabilities"], sorted(row, reverse=True), atol=1e-5)


class Swapped(nn.Module):
    """A module that takes red for blue."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, samples: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.module(samples.flip(3))
        return outputs


def swaps_channels(module: nn.Module, samples: np.ndarray, outputs: Sequence[str]) -> Files:
    return to_onnx(Swapped(module), samples, outputs)


def drops_a_bias(module: nn.Module, samples: np.ndarray, outputs: Sequence[str]) -> Files:
    changed = copy.deepcopy(module)
    biases = [each.bias for each in changed.modules() if isinstance(each, nn.Conv2d) and each.bias is not None]
    nn.init.zeros_(biases[1])
    return to_onnx(changed, samples, outputs)


def fixes_the_batch(module: nn.Module, samples: np.ndarray, outputs: Sequence[str]) -> Files:
    program = torch.export.export(module, (torch.from_numpy(samples[:1]),))
    exported = torch.onnx.export(program, dynamo=True, output_names=list(outputs), verbose=False)
    assert exported is not None
    return {SUFFIX: exported.model_proto.SerializeToString()}


@needs("onnx")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (swaps_channels, ["differs from PyTorch", "first layer that differs is normalisation"]),
        (drops_a_bias, ["differs from PyTorch", "first layer that differs is network.stages.stage2.conv"]),
        (fixes_the_batch, ["fails at a batch of 3"]),
    ],
)
def test_a_broken_converter_is_caught_and_nothing_is_written(
    broken: Converter,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = small_bundle("convnet_digits", 8)
    save_bundle(tmp_path / "bundle", bundle)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(CONVERTERS, "onnx", broken)
    with pytest.raises(RunError, match="nothing was written") as caught:
        convworks.export("bundle", format="onnx")
    assert [word for word in words if word not in str(caught.value)] == []
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.fixture(scope="module")
def residual_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a residual network that has learnt the digits."""
    run = tmp_path_factory.mktemp("residual") / "run"
    changes = ["precision=float32", "data.size=8,8", "training.schedule.rate=0.05"]
    convworks.train(data="digits", model="resnet20", out=run, epochs=4, device="cpu", overrides=changes)
    return run


@pytest.mark.parametrize(
    ("network", "form"),
    [
        pytest.param("any_run", "onnx", marks=needs("onnx")),
        pytest.param("residual_run", "openvino", marks=needs("openvino")),
        pytest.param("residual_run", "onnx", marks=[pytest.mark.slow, needs("onnx")]),
        pytest.param("any_run", "openvino", marks=[pytest.mark.slow, needs("openvino")]),
    ],
)
def test_int8_is_calibrated_and_its_accuracy_measured(
    network: str, form: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pytest.importorskip("nncf", reason='nncf missing: pip install "convworks[deploy]"')
    run: Path = request.getfixturevalue(network)
    out = tmp_path / f"int8{find_format(form).suffixes[0]}"
    results = convworks.export(run, format=form, int8=True, calibrate="digits", max_drop=2.0, out=out)
    (check,) = results["checks"]
    assert (check["precision"], results["precision"]) == ("int8", "int8")
    assert min(check["agreement"], results["drop"]["agreement"]) >= 0.99
    assert results["drop"]["points"] <= 2
    trained, exported = convworks.load(run, precision="float32"), convworks.load(out)
    for key, predictor in (("before", trained), ("after", exported)):
        assert results["drop"][key] == predictor.evaluate("digits")["top1"]
    assert "int8" in repr(exported)


class Wrong:
    """A runtime whose answers are all the first class."""

    name, precision, device = "wrong", torch.int8, torch.device("cpu")

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def ready(self) -> torch.inference_mode:
        return torch.inference_mode()

    def __call__(self, batch: Tensor) -> Tensor:
        return torch.eye(self.classes)[:1].repeat(len(batch), 1)


def test_an_accuracy_that_drops_too_far_is_refused(any_run: Path) -> None:
    bundle, digits = load_bundle(any_run), open_source("digits")
    runtime = TorchRuntime(network=bundle.network, input=bundle.input, precision=torch.float32)
    before = measure_before(bundle, runtime, digits)
    same = measure_drop(before, runtime)
    assert (same.points, same.agreement) == (0, 1)
    check_drop(before, same, 0.0)
    with pytest.raises(RunError, match=r"loses 0\.60 points of accuracy on digits .* more than 0\.5; nothing"):
        check_drop(before, replace(same, points=0.6), None)
    with pytest.raises(RunError, match=r"gives \d+\.\d% of the answers of float32 on digits, less than 99%"):
        measure_drop(before, Wrong(10))


@needs("onnx")
def test_labels_do_not_choose_what_stays_in_float32(
    any_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first quantisation that gives the answers of float32 is kept or refused, whatever its accuracy."""
    pytest.importorskip("nncf", reason='nncf missing: pip install "convworks[deploy]"')
    made: list[Any] = []
    first = int8.quantised

    def counted(*arguments: Any) -> Iterator[Any]:
        for attempt in first(*arguments):
            made.append(attempt)
            yield attempt

    monkeypatch.setattr("convworks.deploy.export.quantised", counted)
    monkeypatch.setattr("convworks.deploy.drop.MAX_DROP", -100.0)
    with pytest.raises(RunError, match="more than -100; nothing was written"):
        convworks.export(any_run, format="onnx", int8=True, calibrate="digits", out=tmp_path / "int8.onnx")
    tried, out = len(made), tmp_path / "kept.onnx"
    convworks.export(any_run, format="onnx", int8=True, calibrate="digits", max_drop=100.0, out=out)
    assert len(made) == 2 * tried


@needs("onnx")
def test_a_file_that_needs_vnni_says_so_where_it_is_missing(
    any_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nncf", reason='nncf missing: pip install "convworks[deploy]"')
    monkeypatch.setattr("convworks.deploy.int8.has_vnni", lambda: True)
    convworks.export(any_run, format="onnx", int8=True, calibrate="digits", max_drop=2.0, out=tmp_path / "int8.onnx")
    for has in (True, False):
        monkeypatch.setattr("convworks.inference.exported.predictor.has_vnni", lambda has=has: has)
        capsys.readouterr()
        convworks.load(tmp_path / "int8.onnx")
        assert ("processors with VNNI, which this one lacks" in capsys.readouterr().err) != has


class Branching(nn.Module):
    """A network that looks at its values to decide what to compute."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(192, 5)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.layer(images.flatten(1))
        return outputs + 1 if outputs.sum() > 0 else outputs


class Bessel(Branching):
    """A network with a function that no exporter has."""

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = torch.special.bessel_j0(self.layer(images.flatten(1)))
        return outputs


@needs("onnx")
@pytest.mark.parametrize(("network", "words"), [(Branching, "depends on the values"), (Bessel, "bessel_j0")])
def test_what_cannot_be_traced_is_named(network: type[nn.Module], words: str) -> None:
    bundle = small_bundle("convnet_digits", 8)
    own = Bundle(**{**vars(bundle), "network": network().eval()})
    with pytest.raises(InputError, match=words):
        prove(own, find_format("onnx"))


@needs("openvino")
def test_a_full_disk_leaves_no_half_of_an_export_and_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven, path = prove(small_bundle("convnet_digits", 8), find_format("openvino")), tmp_path / "network.xml"
    intact, room = files.flush, 0

    def full(file: Any) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(28, "No space left on device")
        intact(file)

    monkeypatch.setattr(files, "flush", full)
    before: dict[str, bytes] = {}
    for _ in range(2):
        for files_written in range(2):
            room = files_written
            with pytest.raises(OSError, match="No space"):
                write(replace(proven, files={name: content[:-1] for name, content in proven.files.items()}), path)
            assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
        room = 4
        write(proven, path)
        before = {f"network{suffix}": content for suffix, content in proven.files.items()}
    convworks.load(path)


@needs("openvino")
def test_an_export_that_was_interrupted_between_its_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, first, second = tmp_path / "network.xml", *(small_bundle("convnet_digits", 8) for _ in range(2))
    next(second.network.parameters()).data += 1
    write(prove(first, find_format("openvino")), path)
    proven = prove(second, find_format("openvino"))
    intact, renamed = Path.replace, iter([True])

    def killed(temporary: Path, target: Path) -> Path:
        if next(renamed, False):
            return intact(temporary, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(proven, path)
    with pytest.raises(InputError, match=r"was modified .* export the bundle again"):
        convworks.load(path)


def test_a_bundle_is_left_as_it_was() -> None:
    bundle = small_bundle("convnet_digits", 8)
    assert isinstance(bundle.network, Network)
    bundle.network.channels_last()
    before = {name: (tensor.clone(), tensor.stride()) for name, tensor in bundle.network.state_dict().items()}
    prove(bundle, find_format("pt2"))
    for name, tensor in bundle.network.state_dict().items():
        assert torch.equal(tensor, before[name][0])
        assert tensor.stride() == before[name][1]
    assert all(parameter.requires_grad for parameter in bundle.network.parameters())
