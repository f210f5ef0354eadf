"""The CIFAR ResNets with weights that others trained: the same networks, number by number."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from convworks.data.load import load_images
from convworks.data.preprocess import Preprocessing
from convworks.data.source import open_source
from convworks.evaluate.predict import probabilities
from convworks.layers.network import Network
from convworks.models.catalogue import create
from convworks.models.peers import translation
from convworks.models.resnet_cifar import PEERS

FILES = {"resnet20": "resnet20-12fca82f.th", "resnet32": "resnet32-d509ac18.th", "resnet44": "resnet44-014dd654.th"}
PEER = PEERS["cifar"]


def their_state(data: Path, name: str) -> dict[str, Tensor]:
    """Read a published file, whose keys carry the name of the wrapper that it was trained in."""
    held = torch.load(data / "weights" / FILES[name], map_location="cpu", weights_only=True)["state_dict"]
    return {key.removeprefix("module."): tensor for key, tensor in held.items()}


def trained(data: Path, name: str) -> Network:
    network = create(PEER.names[name])
    pairs, theirs = translation(network.state_dict(), PEER.table(PEER.names[name])), their_state(data, name)
    # Older files do not count the batches that normalisation has seen.
    missing, unexpected = network.load_state_dict(
        {ours: theirs[key] for ours, key in pairs.items() if key in theirs}, strict=False
    )
    assert not unexpected
    assert {key.rpartition(".")[2] for key in missing} <= {"num_batches_tracked"}
    assert set(theirs) <= set(pairs.values())
    return network


def unpack_test(archive: Path, folder: Path) -> Path:
    """Unpack the test images of the JPEG copy of CIFAR-10."""
    with tarfile.open(archive, "r|xz") as tar:
        tar.extractall(folder, members=(m for m in tar if m.isfile() and m.name.startswith("test/")), filter="data")
    return folder


@pytest.mark.parametrize("name", FILES)
def test_every_tensor_has_its_place(name: str, data: Path) -> None:
    network, theirs = trained(data, name), their_state(data, name)
    for ours, key in translation(network.state_dict(), PEER.table(name)).items():
        if key in theirs:
            assert torch.equal(network.state_dict()[ours], theirs[key]), ours


def test_resnet20_trained_by_others_makes_their_errors(data: Path, tmp_path: Path) -> None:
    network = trained(data, "resnet20")
    preprocessing = Preprocessing(size=(32, 32), channels=3, fit="crop", mean=PEER.mean, std=PEER.std)
    source = open_source(unpack_test(data / "cifar10-jpeg.tar.xz", tmp_path))
    test = source.splits["test"]
    found = probabilities(network.channels_last(), load_images(test, preprocessing), preprocessing, torch.float32)
    assert len(test) == 10_000
    wrong = int((found.argmax(1) != test.labels).sum())
    # A tie broken by the last bit of a sum may fall either way.
    assert abs(wrong - 1897) <= 2, f"{wrong / 100} % errors, not 18.97 %"
    assert np.allclose(found.sum(1), 1, atol=1e-5)
