"""A convolution that computes only what pooling by 2 reads."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convworks.layers.even import EvenConv2d


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (6, 9), (3, 2)])
def test_pooled_it_gives_what_the_whole_map_gives(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    even = EvenConv2d(3, 5).double()
    plain = nn.Conv2d(3, 5, 3, padding=1, bias=False).double()
    plain.load_state_dict(even.state_dict())
    images = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    output, expected = even(images), plain(images)
    assert output.shape[2:] == tuple(side - side % 2 for side in size)
    torch.testing.assert_close(output, expected[:, :, : output.shape[2], : output.shape[3]])
    torch.testing.assert_close(F.max_pool2d(output, 2), F.max_pool2d(expected, 2))
    gradients = [torch.autograd.grad(F.max_pool2d(maps, 2).square().sum(), images)[0] for maps in (output, expected)]
    torch.testing.assert_close(*gradients)
