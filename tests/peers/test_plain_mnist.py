"""The plain PyTorch script that convworks is timed against trains the same network."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

from convworks.models.catalogue import Shape, create
from convworks.recipes import recipe

pytestmark = pytest.mark.peers
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "peers" / "plain_mnist.py"


def test_the_benchmark_s_plain_network_is_that_of_the_recipe() -> None:
    ours = create(recipe("mnist/fast").model.name, Shape(classes=10, channels=1, size=(28, 28))).eval()
    theirs = runpy.run_path(str(SCRIPT))["network"]().eval()
    pairs = zip(theirs.state_dict(), ours.state_dict().values(), strict=True)
    theirs.load_state_dict(dict(pairs))
    images = torch.randn(5, 1, 28, 28)
    torch.testing.assert_close(theirs(images), ours(images))
