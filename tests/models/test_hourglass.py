"""The deep image priors against their tables, and against the same written out by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.models.catalogue import Shape, create, row
from convworks.models.hourglass import Prior


def by_hand(network: nn.Module, x: Tensor, table: Prior) -> Tensor:
    """Compute a prior from the innermost scale outward, in training mode as the paper does."""
    weights = dict(network.named_parameters())

    def normalised(x: Tensor, prefix: str) -> Tensor:
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        scale, shift = (weights[f"{prefix}.{kind}"].view(1, -1, 1, 1) for kind in ("weight", "bias"))
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def step(x: Tensor, prefix: str, number: int, stride: int = 1) -> Tensor:
        weight, bias = (weights[f"{prefix}.conv{number}.{kind}"] for kind in ("weight", "bias"))
        margin = weight.shape[-1] // 2
        x = F.conv2d(F.pad(x, (margin,) * 4, mode="reflect"), weight, bias, stride)
        x = normalised(x, f"{prefix}.norm{number}")
        return torch.where(x > 0, x, 0.2 * x)

    def scale(x: Tensor, number: int) -> Tensor:
        prefix = "stages.hourglass."
        below = step(x, f"{prefix}down{number}", 1, stride=2)
        below = step(below, f"{prefix}down{number}", 2)
        if number < len(table.down):
            below = scale(below, number + 1)
        risen = F.interpolate(below, scale_factor=2, mode=table.upsampling)
        risen = risen[:, :, : x.shape[2], : x.shape[3]]
        if table.skip[number - 1]:
            risen = torch.cat([step(x, f"{prefix}across{number}", 1), risen], 1)
        risen = normalised(risen, f"{prefix}up{number}.norm")
        for layer in range(1, len(table.up_kernels) + 1):
            risen = step(risen, f"{prefix}up{number}", layer)
        return risen

    logits = F.conv2d(scale(x, 1), weights["head.logits.weight"], weights["head.logits.bias"])
    return 1 / (1 + torch.exp(-logits))


@pytest.mark.parametrize("name", ["prior_denoise", "prior_inpaint", "prior_jpeg", "prior_meshgrid", "prior_hole4"])
def test_it_computes_what_the_table_says(name: str) -> None:
    torch.manual_seed(0)
    depth = len(row(name).down)
    # Thin: where all channels are few, the same layers are fast.
    change = {"down": (3, 4, 5, 6, 7)[:depth], "up": (4, 3, 6, 5, 8)[:depth]}
    table = row(name, change)
    network = create(name, Shape(classes=3, channels=2, size=(512, 512)), table=change).double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    x = torch.rand(1, 2, 45, 64, dtype=torch.float64)
    output, expected = network(x), by_hand(network, x, table)
    assert output.shape == (1, 3, 45, 64)
    assert (output - expected).abs().max() <= 1e-10


def test_a_small_image_says_what_is_needed() -> None:
    with pytest.raises(InputError, match=r"4x8 pixels are too small for prior_hole2; it needs at least 9x9"):
        create("prior_hole2", Shape(classes=3, channels=32, size=(4, 8)))


def test_the_residual_prior_adds_blocks_and_nothing_behind() -> None:
    network = create("prior_resnet", Shape(classes=1, channels=4, size=(6, 5)), table={"blocks": 2, "width": 3}).eval()
    x = torch.rand(2, 4, 6, 5)
    taps = network.activations(x, ["stem", "residual.block1", "residual.block2"])
    body = network.stages.get_submodule("residual.block1.body")
    torch.testing.assert_close(taps["residual.block1"], taps["stem"] + body(taps["stem"]))
    assert (taps["residual.block2"] < 0).any()
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == 1 + 2 * 2 + 1 + 1
    assert network(x).shape == (2, 1, 6, 5)


def test_it_fits_an_image_better_than_noise() -> None:
    """The claim of the paper, in small: a smooth image is learnt sooner than noise of the same variance."""
    torch.manual_seed(0)
    wave = torch.sin(torch.linspace(0, 6, 36))
    image = 0.5 + 0.4 * (wave[:, None] * wave)[None, None]
    noise = (0.5 + image.std() * torch.randn_like(image)).clamp(0, 1)
    losses = []
    for target in (image, noise):
        network = create("prior_jpeg", Shape(classes=1, channels=3, size=(36, 36)))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        x = torch.rand(1, 3, 36, 36) / 10
        for _ in range(30):
            optimizer.zero_grad()
            loss = F.mse_loss(network(x), target)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] < 0.3 * losses[1]
