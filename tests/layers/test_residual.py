"""Residual blocks and their shortcuts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.layers.residual import (
    BLOCKS,
    SHORTCUTS,
    PadShortcut,
    Plain,
    Residual,
    blocks,
    convolution,
)


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


def test_adding_leaves_the_input_and_the_shortcut_s_output_alone() -> None:
    x = torch.randn(2, 4, 6, 6)
    before = x.clone()
    for body in (nn.Conv2d(4, 4, 1), nn.Identity(), nn.ReLU(inplace=False)):
        Residual(body, nn.Identity())(x)
        assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("shortcut", "same", "wider", "halved"),
    [
        ("A", nn.Identity, PadShortcut, PadShortcut),
        ("B", nn.Identity, nn.Sequential, nn.Sequential),
        ("C", nn.Sequential, nn.Sequential, nn.Sequential),
    ],
)
def test_options_by_what_changes(shortcut: str, same: type, wider: type, halved: type) -> None:
    for (out_channels, stride), kind in (((4, 1), same), ((8, 1), wider), ((4, 2), halved)):
        block = SHORTCUTS[shortcut](convolution(4, out_channels, 3, stride), 4, out_channels, stride)
        assert isinstance(block, Residual)
        assert type(block.shortcut) is kind
        assert block(torch.randn(2, 4, 7, 5)).shape == (2, out_channels, -(-7 // stride), -(-5 // stride))


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("kind", BLOCKS)
def test_a_stage_of_blocks(kind: str, shortcut: str) -> None:
    stage = nn.Sequential(blocks(BLOCKS[kind], SHORTCUTS[shortcut], 6, 4, 3, 2))
    assert [name for name, _ in stage.named_children()] == ["block1", "block2", "block3"]
    assert stage(torch.randn(2, 6, 9, 8)).shape == (2, 4 * BLOCKS[kind].expansion, 5, 4)
    strides = [m.stride[0] for m in stage.modules() if isinstance(m, nn.Conv2d) and m.stride != (1, 1)]
    assert strides == [2] * (2 if shortcut in "BC" else 1)
