"""The plain PyTorch script that convworks is timed against computes the same U-Net."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convworks.models.catalogue import Shape, create

pytestmark = pytest.mark.peers
SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "peers"


def test_the_benchmark_s_plain_unet_is_that_of_the_catalogue(
    randomised: Callable[[nn.Module], nn.Module],
    close: Callable[[Tensor, Tensor], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    ours = randomised(create("unet_resnet18", Shape(classes=11, channels=3, size=(64, 96)))).eval()
    theirs = runpy.run_path(str(SCRIPTS / "plain_unet.py"))["UNet"]().double().eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        assert close(theirs(images), ours(images))
