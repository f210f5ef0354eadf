from __future__ import annotations

import torch
from torch import nn

from convworks.layers.residual import PadShortcut, Plain, Residual


def test_option_a_subsamples_and_pads_with_zeros() -> None:
    x = torch.randn(2, 4, 6, 6)
    y = PadShortcut(4, 8, 2)(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert y[:, :2].abs().sum() == y[:, 6:].abs().sum() == 0


def test_residual_adds_and_rectifies_plain_only_rectifies() -> None:
    x = torch.randn(2, 4, 6, 6)
    body = nn.Conv2d(4, 4, 3, padding=1)
    assert torch.equal(Residual(body, nn.Identity())(x), (body(x) + x).relu())
    assert torch.equal(Plain(body)(x), body(x).relu())
