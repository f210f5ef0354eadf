"""Video against Tran et al. 2015."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.errors import InputError
from convworks.models.analysis.count import count, count_published
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create

THIN = {"groups": ((2,), (3,), (4, 4), (5, 5), (6, 6)), "features": 7}


def test_parameters_and_multiply_adds_that_others_quote() -> None:
    """78 million with the 101 classes of UCF101, and 38.5 billion multiply-adds a clip."""
    shape = Shape(classes=101, channels=3, size=(16, 112, 112))
    with without_values():
        count_result = count(create("c3d", shape), torch.empty(1, 3, 16, 112, 112))
    assert count_result.parameters == 78_409_573
    assert round(count_result.macs / 1e9, 1) == 38.5
    assert count_published("c3d").parameters - count_result.parameters == (487 - 101) * 4097


def test_every_kernel_is_3x3x3() -> None:
    with torch.device("meta"):
        network = create("c3d")
    kernels = [module.kernel_size for module in network.modules() if isinstance(module, nn.Conv3d)]
    assert kernels == [(3, 3, 3)] * 8


def test_receptive_fields_in_time_and_space() -> None:
    """Computed by hand: time is not pooled at first."""
    network = create("c3d", table=THIN)
    fields = receptive_fields(network, 3, (16, 112, 112))["stages.conv5b"]
    assert [(field.size, int(field.stride)) for field in fields] == [(68, 8), (134, 16), (134, 16)]


@pytest.mark.parametrize("size", [(16, 112, 112), (17, 100, 131)])
def test_clips_of_any_size_layout_and_precision(size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    network = create("c3d", Shape(classes=4, channels=1, size=size), table=THIN).eval()
    clips = torch.randn(1, 1, *size)
    with torch.no_grad():
        output = network(clips)
        assert output.shape == (1, 4)
        torch.testing.assert_close(network.channels_last()(clips), output, rtol=1e-4, atol=1e-5)
        assert next(network.parameters()).is_contiguous(memory_format=torch.channels_last_3d)
        torch.testing.assert_close(torch.export.export(network, (clips,)).module()(clips), output, rtol=1e-4, atol=1e-5)


def test_taps_are_not_overwritten() -> None:
    network = create("c3d", table=THIN).eval()
    activations = network.activations(torch.randn(1, 3, 16, 64, 64), ["conv2a.conv", "conv2a"])
    assert (activations["conv2a.conv"] < 0).any()
    assert torch.equal(activations["conv2a"], activations["conv2a.conv"].relu())


def test_a_clip_too_short_says_what_is_needed() -> None:
    with pytest.raises(InputError, match=r"4x112x112 pixels are too small for c3d"):
        create("c3d", Shape(classes=4, channels=3, size=(4, 112, 112)), table=THIN)
