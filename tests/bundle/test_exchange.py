"""What others' networks have and ours has not, or in another shape: auxiliary classifiers, kernels, normalisation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file
from torch import Tensor, nn

from convworks.bundle.bundle import Bundle, load_bundle, save_bundle
from convworks.bundle.export import export_weights
from convworks.bundle.foreign import import_bundle
from convworks.errors import InputError
from convworks.layers.network import Network, without_auxiliary
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig
from convworks.models.published.peers import find_peer, translation
from convworks.models.transfer.adapted import assemble
from convworks.models.transfer.head_config import LinearHead, TwoLayerHead
from convworks.models.vgg import ROWS

SAID = pytest.mark.parametrize(
    ("peer", "name", "modules"),
    [
        ("torchvision", "googlenet", ["aux1", "aux2"]),
        ("torchvision", "inception_v3", ["AuxLogits"]),
        ("timm", "inception_v3", ["AuxLogits"]),
    ],
)


def whole(peer: str, name: str) -> dict[str, Tensor]:
    """Return the full state of a peer's network, auxiliary classifiers included."""
    entry, row = find_peer(peer, name)
    torch.manual_seed(0)
    weights = create(row).state_dict()
    return {peer_name: weights[key] for key, peer_name in translation(weights, entry.table(row)).items()}


@SAID
def test_auxiliary_classifiers_are_left_out_and_said(peer: str, name: str, modules: list[str], tmp_path: Path) -> None:
    path, tensors = tmp_path / "weights.safetensors", whole(peer, name)
    save_file(tensors, path)
    bundle = import_bundle(path, name, peer=peer)
    assert bundle.record["imported"]["left_out"] == modules
    assert bundle.preprocessing.mean == bundle.preprocessing.std == (0.5, 0.5, 0.5)
    exported = export_weights(bundle, peer)
    assert exported.left_out == tuple(modules)
    back = load(exported.content)
    assert set(back) == {key for key in tensors if key.partition(".")[0] not in modules}
    assert all(torch.equal(back[key], tensors[key]) for key in back)


def test_kernels_that_are_matrices_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """timm computes VGG's hidden layers by convolutions, here of few channels: the same answers, there and back."""
    monkeypatch.setitem(ROWS, "vgg_a", replace(ROWS["vgg_a"], widths=(4, 4, 4, 4, 6), hidden=(8, 8)))
    torch.manual_seed(0)
    path, network = tmp_path / "weights.pth", create("vgg_a", Shape(classes=5, channels=3, size=(224, 224))).eval()
    first, second = nn.Conv2d(6, 8, 7), nn.Conv2d(8, 8, 1)
    peer_weights = {
        key: tensor for key, tensor in translated(network, "timm").items() if "fc1" not in key and "fc2" not in key
    }
    peer_weights |= {f"pre_logits.fc1.{key}": tensor for key, tensor in first.state_dict().items()}
    peer_weights |= {f"pre_logits.fc2.{key}": tensor for key, tensor in second.state_dict().items()}
    torch.save(peer_weights, path)
    bundle = import_bundle(path, "vgg11")
    assert isinstance(bundle.network, Network)
    maps, logits = torch.randn(2, 6, 7, 7), network.head.get_submodule("logits")
    expected = logits(second(first(maps).relu()).relu().flatten(1))
    torch.testing.assert_close(bundle.network.head(maps), expected)
    back = load(export_weights(bundle, "timm").content)
    assert {key: tensor.shape for key, tensor in back.items()} == {
        key: tensor.shape for key, tensor in peer_weights.items()
    }
    assert all(torch.equal(back[key], peer_weights[key]) for key in peer_weights)
    plain = load(export_weights(bundle, "torchvision").content)
    assert torch.equal(plain["classifier.0.weight"], first.weight.flatten(1))


def translated(network: Network, peer: str) -> dict[str, Tensor]:
    weights = network.state_dict()
    entry, row = find_peer(peer, "vgg11")
    return {name: weights[key] for key, name in translation(weights, entry.table(row)).items()}


@pytest.mark.parametrize(
    ("mean", "std", "channels", "expected"),
    [
        ((), (), 3, ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
        ((0.5,), (0.25,), 3, ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))),
        ((0.1, 0.2, 0.3), (), 3, ((0.1, 0.2, 0.3), (0.229, 0.224, 0.225))),
        ((), (1 / 255,), 1, ((0.449,), (1 / 255,))),
    ],
)
def test_normalisation_given(
    mean: tuple[float, ...],
    std: tuple[float, ...],
    channels: int,
    expected: tuple[tuple[float, ...], tuple[float, ...]],
    tmp_path: Path,
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(create("resnet20", Shape(classes=4, channels=channels, size=(32, 32))).state_dict(), path)
    entry, _ = find_peer("cifar", "resnet20")
    weights = torch.load(path, weights_only=True)
    torch.save({name: weights[key] for key, name in translation(weights, entry.table("resnet20")).items()}, path)
    preprocessing = import_bundle(path, "resnet20", classes="abcd", mean=mean, std=std).preprocessing
    assert preprocessing.mean == pytest.approx(expected[0])
    assert preprocessing.std == pytest.approx(expected[1])


def bundle_of(model: ModelConfig, tmp_path: Path) -> Bundle:
    """Return a bundle as it is read from the disk, of images of 32x32 in ten classes."""
    torch.save(create("resnet20").state_dict(), tmp_path / "weights.pth")
    plain = import_bundle(tmp_path / "weights.pth", "resnet20")
    network = without_auxiliary(assemble(model, Shape(classes=10, channels=3, size=(32, 32))))
    save_bundle(tmp_path / "bundle", replace(plain, model=model, network=network))
    return load_bundle(tmp_path / "bundle")


SAME = {
    "stochastic depth, whose weighing the layers before take over": ModelConfig(
        name="resnet20", table={"stochastic_depth": 0.2}
    ),
    "a new last layer": ModelConfig(name="resnet20", cut="head.features", head=LinearHead(), outputs=7),
}
OTHER = {
    "another shortcut": ModelConfig(name="resnet20", table={"block": "plain"}),
    "fewer blocks": ModelConfig(name="resnet20", table={"repeats": 1}),
    "two new layers": ModelConfig(name="resnet20", cut="head.features", head=TwoLayerHead(width=8), outputs=7),
    "other pooling": ModelConfig(name="resnet20", cut="stage3", head=LinearHead(pool="max"), outputs=7),
}


@pytest.mark.parametrize("name", SAME)
def test_a_changed_network_that_computes_the_same_is_exported(name: str, tmp_path: Path) -> None:
    bundle, plain = bundle_of(SAME[name], tmp_path), create("resnet20").eval()
    names = translation(plain.state_dict(), find_peer("cifar", "resnet20")[0].table("resnet20"))
    back = load(export_weights(bundle, "cifar").content)
    plain.load_state_dict({key: back[peer_name] for key, peer_name in names.items()})
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(plain(images), bundle.network(images))


@pytest.mark.parametrize("name", OTHER)
def test_a_changed_network_that_computes_something_else_is_not_exported(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--format: resnet20.* differs from cifar's resnet20"):
        export_weights(bundle_of(OTHER[name], tmp_path), "cifar")
