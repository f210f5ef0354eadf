"""The plain sum."""

from __future__ import annotations

import torch
from torch import nn

from convworks.layers.added import Added


def test_it_adds_and_leaves_the_input_alone() -> None:
    x = torch.tensor([[-1.0, 2.0]])
    assert Added(nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(inplace=True)))(x).shape == (1, 2)
    assert Added(nn.ReLU())(x).tolist() == [[-1.0, 4.0]]
    assert x.tolist() == [[-1.0, 2.0]]
