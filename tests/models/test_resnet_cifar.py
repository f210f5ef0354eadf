"""The CIFAR ResNets with weights that others trained: the same networks, number by number."""

from __future__ import annotations

import tarfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from thorough import repeats
from torch import Tensor

from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.images import normalise
from convworks.data.inputs.kinds import input_of
from convworks.data.source import Split
from convworks.data.sources.open import open_source
from convworks.inference.answers import activated
from convworks.inference.runtime import TorchRuntime
from convworks.layers.network import Network
from convworks.models.catalogue import create
from convworks.models.published.peers import translation
from convworks.models.resnet_cifar import PEERS
from convworks.tasks.classification import CLASSIFICATION

FILES = {"resnet20": "resnet20-12fca82f.th", "resnet32": "resnet32-d509ac18.th", "resnet44": "resnet44-014dd654.th"}
PEER = PEERS["cifar"]
GIVEN = Preprocessing(size=(32, 32), channels=3, fit="crop", mean=PEER.mean, std=PEER.std)


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


def unpack(archive: Path, folder: Path, split: str, most: int) -> Split:
    """Unpack the first images of a split of the JPEG copy of CIFAR-10."""
    with tarfile.open(archive, "r|xz") as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
        files = (m for m in tar if m.isfile() and m.name.startswith(f"{split}/"))
        tar.extractall(folder, members=islice(files, most))
    return open_source(folder).splits[split]


@pytest.mark.parametrize("name", FILES)
def test_every_tensor_has_its_place(name: str, data: Path) -> None:
    network, theirs = trained(data, name), their_state(data, name)
    for ours, key in translation(network.state_dict(), PEER.table(name)).items():
        if key in theirs:
            assert torch.equal(network.state_dict()[ours], theirs[key]), ours


def original(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Compute what the peer's own script computes, straight from its tensors: one line for each of its operations."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"])

    x = F.relu(norm(F.conv2d(images, state["conv1.weight"], padding=1), "bn1"))
    for layer in (1, 2, 3):
        blocks = sum(key.startswith(f"layer{layer}.") and key.endswith(".conv1.weight") for key in state)
        for block in range(blocks):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            out = F.relu(norm(F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1), f"{name}.bn1"))
            out = norm(F.conv2d(out, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
            quarter = out.shape[1] // 4
            shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, quarter, quarter)) if stride == 2 else x
            x = F.relu(out + shortcut)
    return F.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


@pytest.fixture(scope="module")
def pixels(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """Give some training images, which the archive begins with: to get at the test images takes seconds."""
    images = unpack(data / "cifar10-jpeg.tar.xz", tmp_path_factory.mktemp("cifar10"), "train", repeats(100, 1000))
    return normalise(load_images(images, GIVEN), PEER.mean, PEER.std)


@pytest.mark.parametrize("name", FILES)
def test_predictions_are_those_of_the_original(name: str, data: Path, pixels: Tensor) -> None:
    with torch.no_grad():
        ours, theirs = trained(data, name).eval()(pixels), original(their_state(data, name), pixels)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert torch.equal(ours.argmax(1), theirs.argmax(1))


@pytest.mark.slow
def test_resnet20_trained_by_others_makes_their_errors(data: Path, tmp_path: Path) -> None:
    images = unpack(data / "cifar10-jpeg.tar.xz", tmp_path, "test", 10_000)
    network = trained(data, "resnet20")
    runtime = TorchRuntime(network=network.channels_last(), input=input_of(GIVEN), precision=torch.float32)
    actual = activated(CLASSIFICATION, runtime, load_images(images, GIVEN))
    assert len(images) == 10_000
    wrong = int((actual.argmax(1) != images.labels).sum())
    # A tie broken by the last bit of a sum may fall either way.
    assert abs(wrong - 1897) <= 2, f"{wrong / 100} % errors, not 18.97 %"
    assert np.allclose(actual.sum(1), 1, atol=1e-5)
