"""Weights that others trained: read without executing anything, fitted key by key, and given back."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save_file

from convworks.bundle.bundle import load_bundle, save_bundle
from convworks.bundle.export import export_weights
from convworks.bundle.foreign import import_bundle
from convworks.bundle.weights_file import read_weights
from convworks.errors import InputError
from convworks.models.catalogue import Shape, create
from convworks.models.published.peers import find_peer, their_key, translation


def state(classes: int = 10, channels: int = 3) -> dict[str, torch.Tensor]:
    """Return the weights of a ResNet-20 under the names of its public training script."""
    torch.manual_seed(0)
    network = create("resnet20", Shape(classes=classes, channels=channels, size=(32, 32)))
    entry, row = find_peer("cifar", "resnet20")
    weights = network.state_dict()
    return {name: weights[key] for key, name in translation(weights, entry.table(row)).items()}


def test_the_published_weights_become_a_bundle(data: Path, tmp_path: Path) -> None:
    bundle = import_bundle(data / "weights" / "resnet20-12fca82f.th", "resnet20", peer="cifar")
    assert bundle.classes[:2] == ("airplane", "automobile")
    assert bundle.preprocessing.size == (32, 32)
    assert bundle.record["imported"]["from"] == "cifar"
    save_bundle(tmp_path / "bundle", bundle)
    images = torch.randn(2, 3, 32, 32)
    again = load_bundle(tmp_path / "bundle")
    assert torch.equal(again.network(images), bundle.network(images))


@pytest.mark.parametrize("name", ["resnet20", "resnet32", "resnet44"])
def test_back_to_the_peer_s_names(name: str, data: Path, tmp_path: Path) -> None:
    (path,) = (data / "weights").glob(f"{name}-*.th")
    exported = export_weights(import_bundle(path, name), "cifar")
    peer_weights = {key.removeprefix("module."): tensor for key, tensor in read_weights(path)["state_dict"].items()}
    assert (exported.name, exported.left_out) == (name, ())
    exported_weights = load(exported.content)
    assert {key for key in peer_weights if "num_batches" not in key} == {
        key for key in exported_weights if "num_batches" not in key
    }
    assert all(torch.equal(exported_weights[key], peer_weights[key]) for key in peer_weights)


def test_classes_and_channels_follow_from_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state(classes=4, channels=1), path)
    bundle = import_bundle(path, "resnet20", peer="cifar", classes=("a", "b", "c", "d"))
    assert bundle.classes == ("a", "b", "c", "d")
    assert bundle.preprocessing.channels == 1
    with pytest.raises(InputError, match="--classes: gives 2 different names, the weights have 4 classes"):
        import_bundle(path, "resnet20", peer="cifar", classes=("a", "b"))


def test_our_own_names_need_no_peer(tmp_path: Path) -> None:
    network, path = create("lenet5_modern"), tmp_path / "own.safetensors"
    save_file(network.state_dict(), path)
    bundle = import_bundle(path, "lenet5_modern")
    torch.testing.assert_close(bundle.network(torch.ones(1, 1, 32, 32)), network.eval()(torch.ones(1, 1, 32, 32)))
    assert bundle.classes == tuple("0123456789")


class Trap:
    """A pickle that would make a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", ["torch", "pickle", "nested"])
def test_code_in_a_file_is_refused_and_not_executed(kind: str, tmp_path: Path) -> None:
    path, sign = tmp_path / "weights.pth", tmp_path / "executed"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap(sign)))
    else:
        torch.save({"state_dict": {"a": Trap(sign)}} if kind == "nested" else Trap(sign), path)
    with pytest.raises(InputError, match="holds code, or is not a state_dict; nothing was executed"):
        read_weights(path)
    assert not sign.exists()


def spoilt(change: str) -> dict[str, torch.Tensor]:
    """Return weights with one fault."""
    tensors = state()
    if change == "missing":
        del tensors["layer2.1.bn2.weight"]
    elif change == "extra":
        tensors["layer9.weight"] = torch.ones(1)
    elif change == "shape":
        tensors["layer1.0.conv1.weight"] = torch.ones(16, 16, 5, 5)
    elif change == "other":
        tensors = {"fc.weight": torch.ones(10, 3)}
    return tensors


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("missing", "1 missing: layer2.1.bn2.weight; name the network with --model"),
        ("extra", "1 unknown: layer9.weight; name the network with --model"),
        ("shape", "1 with another shape: layer1.0.conv1.weight 16x16x5x5 instead of 16x16x3x3; name the network"),
        ("other", "has no conv1.weight; it has fc.weight; name the network with --model"),
    ],
)
def test_keys_that_do_not_fit_are_listed(change: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(spoilt(change), path)
    with pytest.raises(InputError) as caught:
        import_bundle(path, "resnet20", peer="cifar")
    assert str(caught.value).startswith(f"{path}: {line}")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "cannot be read .No such file or directory"),
        (b"", "cannot be read"),
        (b"PK\x03\x04 nothing", "cannot be read"),
    ],
)
def test_files_that_hold_no_weights(content: bytes | None, line: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=line):
        read_weights(path)
    (tmp_path / "x.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="is not a safetensors file"):
        read_weights(tmp_path / "x.safetensors")
    torch.save({"a": 1}, path)
    with pytest.raises(InputError, match="does not hold named tensors only"):
        read_weights(path)


def test_unknown_libraries_and_names() -> None:
    with pytest.raises(InputError, match=r"--from: 'torchvison' is not known"):
        find_peer("torchvison", "resnet50")
    with pytest.raises(InputError, match=r"--model: cifar has no network 'resnet21' known here \(did you mean"):
        find_peer("cifar", "resnet21")


def test_patterns_translate_whole_keys() -> None:
    keys = ((r"stage(\d+)\.block(\d+)\.(.*)", "layer{1}.{2-1}.{3}"), (r"stem\.0\.(.*)", "conv1.{1}"))
    assert their_key("stage2.block3.bn.weight", keys) == "layer2.2.bn.weight"
    assert their_key("stem.0.bias", keys) == "conv1.bias"
    assert their_key("stem.1.bias", keys) is None


def test_files_written_by_export_are_plain_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state(), path)
    exported = export_weights(import_bundle(path, "resnet20", peer="cifar"), "cifar")
    (tmp_path / "out.safetensors").write_bytes(exported.content)
    assert set(load_file(tmp_path / "out.safetensors")) == set(state())
