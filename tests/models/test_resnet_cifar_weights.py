"""The CIFAR ResNet with weights that others trained: the same network, number by number."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import numpy as np
import torch

from convworks.data.load import load_images
from convworks.data.preprocess import Preprocessing
from convworks.data.source import open_source
from convworks.evaluate.predict import probabilities
from convworks.models.catalogue import create

# The peer's names, as patterns, beside ours.
NAMES = (
    (r"conv1\.", "stem.0."),
    (r"bn1\.", "stem.1."),
    (r"layer(\d)\.(\d+)\.conv1\.", "stages.stage{0}.block{1}.body.0."),
    (r"layer(\d)\.(\d+)\.bn1\.", "stages.stage{0}.block{1}.body.1."),
    (r"layer(\d)\.(\d+)\.conv2\.", "stages.stage{0}.block{1}.body.3."),
    (r"layer(\d)\.(\d+)\.bn2\.", "stages.stage{0}.block{1}.body.4."),
    (r"linear\.", "head.logits."),
)
# What the peer's training script and its evaluation take out of the images.
PEER = Preprocessing(size=(32, 32), channels=3, fit="crop", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def our_name(theirs: str) -> str:
    """Return our name of one of the peer's tensors; its blocks count from 0, ours from 1."""
    for pattern, ours in NAMES:
        if found := re.fullmatch(r"module\." + pattern + r"(\w+)", theirs):
            *numbers, kind = found.groups()
            if numbers:
                return ours.format(numbers[0], int(numbers[1]) + 1) + kind
            return ours + kind
    raise KeyError(theirs)


def unpack_test(archive: Path, folder: Path) -> Path:
    """Unpack the test images of the JPEG copy of CIFAR-10."""
    with tarfile.open(archive, "r|xz") as tar:
        tar.extractall(folder, members=(m for m in tar if m.isfile() and m.name.startswith("test/")), filter="data")
    return folder


def test_resnet20_trained_by_others_makes_their_errors(data: Path, tmp_path: Path) -> None:
    network = create("resnet20")
    weights = data / "weights" / "resnet20-12fca82f.th"
    theirs = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
    missing, unexpected = network.load_state_dict({our_name(name): t for name, t in theirs.items()}, strict=False)
    assert not unexpected
    assert {name.rpartition(".")[2] for name in missing} <= {"num_batches_tracked"}

    source = open_source(unpack_test(data / "cifar10-jpeg.tar.xz", tmp_path))
    test = source.splits["test"]
    found = probabilities(network.channels_last(), load_images(test, PEER), PEER, torch.float32)
    assert len(test) == 10_000
    wrong = int((found.argmax(1) != test.labels).sum())
    # A tie broken by the last bit of a sum may fall either way.
    assert abs(wrong - 1897) <= 2, f"{wrong / 100} % errors, not 18.97 %"
    assert np.allclose(found.sum(1), 1, atol=1e-5)
