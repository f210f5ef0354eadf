"""The test of weights on a network that others trained, and on the same network with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from convworks.bundle.foreign import import_bundle
from convworks.explain.attribution.methods import METHODS
from convworks.explain.attribution.passes import outputs_of
from convworks.explain.attribution.randomised import randomised
from convworks.explain.attribution.target import Target, predicted
from convworks.explain.attribution.verdict import RELATED, UNRELATED, weight_tests

NAMES = ("gradient", "gradient-x-input", "integrated-gradients", "guided-backpropagation", "deconvnet")


def photographs(data: Path) -> Tensor:
    """Give eight photographs as small as those that the network was trained on."""
    pictures = [Image.open(path).convert("RGB").resize((32, 32)) for path in sorted((data / "photos").iterdir())[:8]]
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2).float() / 255


@pytest.mark.slow
def test_trained_weights_are_told_from_random_ones(data: Path) -> None:
    bundle = import_bundle(data / "weights" / "resnet20-12fca82f.th", "resnet20", classes=tuple("abcdefghij"))
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (bundle.preprocessing.mean, bundle.preprocessing.std))
    images = (photographs(data) - mean) / std
    for network, expected in ((bundle.network, RELATED), (randomised(bundle.network, 100), UNRELATED)):
        target = Target(name="predicted", channels=predicted(outputs_of(network, images)))
        tests = weight_tests(network, images, target, {name: METHODS[name] for name in NAMES})
        assert {name: test.verdict for name, test in tests.items()} == dict.fromkeys(NAMES, expected)
