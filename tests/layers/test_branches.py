from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.layers.branches import Branches, Conv, channels, normalised, path, rectified


def test_branches_stand_one_behind_the_other() -> None:
    x = torch.randn(2, 4, 6, 5)
    narrow, wide = nn.Conv2d(4, 3, 1), nn.Conv2d(4, 2, 5, padding=2)
    y = Branches({"narrow": narrow, "wide": wide})(x)
    assert y.shape == (2, 5, 6, 5)
    assert torch.equal(y[:, :3], narrow(x))
    assert torch.equal(y[:, 3:], wide(x))


def test_branches_of_other_sizes_do_not_fit() -> None:
    branches = Branches({"same": nn.Identity(), "smaller": nn.Conv2d(4, 2, 3)})
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        branches(torch.randn(2, 4, 6, 5))


@pytest.mark.parametrize("convolution", [rectified, normalised])
def test_a_path_pools_then_convolves_and_keeps_the_size(convolution: object) -> None:
    assert callable(convolution)
    steps = (Conv(3), Conv(5, (1, 7)), Conv(6, (7, 1)))
    branch = path(convolution, 4, *steps, pool=nn.MaxPool2d(3, 1, padding=1))
    assert [name for name, _ in branch.named_children()] == ["pool", "conv1", "conv2", "conv3"]
    assert branch(torch.randn(2, 4, 9, 8)).shape == (2, 6, 9, 8)
    assert path(convolution, 4, Conv(2, 3, 2, 0))(torch.randn(2, 4, 9, 8)).shape == (2, 2, 4, 3)


def test_biases_only_without_normalisation() -> None:
    assert [name for name, _ in rectified(3, Conv(2)).named_parameters()] == ["conv.weight", "conv.bias"]
    assert [name for name, _ in normalised(3, Conv(2)).named_parameters()] == ["conv.weight", "bn.weight", "bn.bias"]


def test_channels_are_counted_through_forks() -> None:
    fork = Branches({"row": normalised(8, Conv(3, (1, 3))), "column": normalised(8, Conv(2, (3, 1)))})
    module = Branches({"fork": nn.Sequential(rectified(4, Conv(8)), fork), "pool": nn.MaxPool2d(3, 1, padding=1)})
    assert channels(module, 4) == module(torch.randn(1, 4, 5, 5)).shape[1] == 3 + 2 + 4
