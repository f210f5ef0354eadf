"""Full state_dicts of other libraries through `convworks import` and `convworks export`, and back into their networks.

All rows of PEERS: a few by `make test-peers`, the others, which take minutes and gigabytes, are marked slow too.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import convworks
from convworks.cli.main import run
from convworks.models.published.peers import _tables

pytestmark = pytest.mark.peers

FEW = {
    "torchvision": ("alexnet", "vgg11", "googlenet", "inception_v3", "resnet18", "resnet50"),
    "timm": ("vgg16", "inception_v3", "resnet50"),
}
ROWS = [
    (peer, name)
    for peer, entries in _tables().items()
    for entry in entries
    for name in entry.names
    if peer != "cifar"  # the public script is no library; tests/bundle has its published files
]
AUXILIARY = ("googlenet", "inception_v3")
CASES = [
    pytest.param(
        *(peer, name, auxiliary),
        marks=() if name in FEW[peer] else pytest.mark.slow,
        id=f"{peer}-{name}{'-auxiliary' if auxiliary else ''}",
    )
    for peer, name in ROWS
    for auxiliary in ((False, True) if name in AUXILIARY else (False,))
]


def built(peer: str, name: str, *, auxiliary: bool = False) -> Any:
    """Build a peer's network without values, with its auxiliary classifiers or without."""
    options: dict[str, Any] = {"aux_logits": auxiliary} if name in AUXILIARY else {}
    with torch.device("meta"):
        if peer == "timm":
            return importlib.import_module("timm").create_model(name, pretrained=False, **options)
        if name in AUXILIARY or name.startswith("vgg"):
            options["init_weights"] = False
        return getattr(importlib.import_module("torchvision.models"), name)(weights=None, **options)


def drawn(peer: str, name: str, *, auxiliary: bool = False) -> Any:
    """Build a peer's network with random weights, and statistics as training leaves them."""
    torch.manual_seed(0)
    network = built(peer, name, auxiliary=auxiliary).to_empty(device="cpu")
    for key, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            nn.init.kaiming_normal_(tensor)
        elif key.endswith(
            ("running_var", "bn.weight", "bn1.weight", "bn2.weight", "bn3.weight", "downsample.1.weight")
        ):
            nn.init.uniform_(tensor, 0.5, 1.5)
        elif tensor.is_floating_point():
            nn.init.normal_(tensor, std=0.1)
        else:
            tensor.fill_(7)
    return network


def command(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert run([*map(str, words), "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a working directory whose large files are gone afterwards."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for path in tmp_path.rglob("*.safetensors"):
        path.unlink()


def answers(network: nn.Module, size: tuple[int, int]) -> Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        found = network.eval()(torch.randn(1, 3, *size))
    logits: Tensor = found[0] if isinstance(found, tuple) else found  # timm gives those of the auxiliary as well
    return logits


@pytest.mark.parametrize(("peer", "name", "auxiliary"), CASES)
def test_through_the_command_and_back(
    peer: str, name: str, auxiliary: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = drawn(peer, name, auxiliary=auxiliary)
    state = theirs.state_dict()
    save_file(state, "theirs.safetensors")
    said = command(capsys, "import", "theirs.safetensors", "--model", name, "--from", peer, "--out", "bundle")
    exported = command(capsys, "export", "bundle", "--format", peer, "--out", "back.safetensors")
    back = load_file("back.safetensors")
    left_out = {key for key in state if key.partition(".")[0] in exported["left_out"]}
    assert set(said["left_out"]) == {key.partition(".")[0] for key in left_out}
    assert set(back) == set(state) - left_out
    assert all(torch.equal(back[key], state[key]) for key in back)
    again = built(peer, name).to_empty(device="cpu")
    again.load_state_dict(back, strict=True)
    predictor = convworks.load("bundle", device="cpu")
    bundle = predictor.bundle
    expected = answers(theirs, bundle.preprocessing.size)
    assert torch.equal(answers(again, bundle.preprocessing.size), expected)
    found = answers(predictor.trained, bundle.preprocessing.size)
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize(("peer", "name"), [row for row in ROWS if row[1] in FEW[row[0]] and "vgg" not in row[1]])
def test_without_from(peer: str, name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file(drawn(peer, name).state_dict(), "theirs.SAFETENSORS")
    said = command(capsys, "import", "theirs.SAFETENSORS", "--model", name, "--out", "bundle")
    assert said["from"] in ("torchvision", peer)  # what both have is torchvision's


@pytest.mark.parametrize("name", AUXILIARY)
def test_images_as_torchvision_normalises_them(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With trained weights it takes ImageNet's mean and deviation, and undoes that by `transform_input`."""
    theirs = drawn("torchvision", name, auxiliary=True)
    theirs.transform_input = True
    save_file(theirs.state_dict(), "theirs.safetensors")
    command(capsys, "import", "theirs.safetensors", "--model", name, "--out", "bundle")
    predictor = convworks.load("bundle", device="cpu", precision="float32")
    size = predictor.bundle.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    library = importlib.import_module("torchvision.transforms.functional")
    inputs = library.normalize(library.to_tensor(Image.fromarray(pixels)), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    with torch.no_grad():
        expected = theirs.eval()(inputs[None]).softmax(1)[0].sort(descending=True)
    (found,) = replaced_share(predictor).predict([pixels], top=1000)
    assert torch.allclose(torch.tensor(found["probabilities"]), expected.values, rtol=1e-3)
    assert [int(label) for label in found["labels"][:3]] == expected.indices[:3].tolist()


def replaced_share(predictor: Any) -> Any:
    """Return a predictor that takes whole images."""
    from dataclasses import replace

    whole = predictor.bundle.preprocessing.model_copy(update={"crop_fraction": 1.0})
    return replace(predictor, bundle=replace(predictor.bundle, preprocessing=whole))


@pytest.mark.parametrize(("peer", "name"), [("timm", name) for entry in _tables()["timm"] for name in entry.names])
def test_timm_normalises_as_its_table_says(peer: str, name: str) -> None:
    entry = next(entry for entry in _tables()[peer] if name in entry.names)
    configuration = importlib.import_module("timm").get_pretrained_cfg(name)
    assert (configuration.mean, configuration.std) == (entry.mean, entry.std)


Wrapped = Callable[[nn.Module], Any]


@pytest.mark.parametrize(
    ("wrap", "key"),
    [
        (lambda network: importlib.import_module("timm.utils").ModelEmaV3(network).state_dict(), None),
        (lambda network: {"state_dict": scrambled(network), "state_dict_ema": network.state_dict()}, "state_dict_ema"),
        (lambda network: {"model": scrambled(network), "model_ema": average(network)}, "model_ema"),
    ],
)
def test_checkpoints_as_the_libraries_write_them(
    wrap: Wrapped, key: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = drawn("timm", "resnet18")
    torch.save(wrap(theirs), "theirs.pth.tar")
    said = command(capsys, "import", "theirs.pth.tar", "--model", "resnet18", "--out", "bundle")
    assert said["key"] == key
    found = answers(convworks.load("bundle", device="cpu").trained, (64, 64))
    expected = answers(theirs, (64, 64))
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


def scrambled(network: nn.Module) -> dict[str, Tensor]:
    return {key: tensor * 2 for key, tensor in network.state_dict().items()}


def average(network: nn.Module) -> dict[str, Tensor]:
    from torch.optim.swa_utils import AveragedModel

    return AveragedModel(network).state_dict()
