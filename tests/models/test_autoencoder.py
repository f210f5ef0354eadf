"""Autoencoders: tied weights, the code, and the linear one that finds principal components."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from convworks.errors import InputError
from convworks.models.catalogue import Shape, create


def test_tied_weights_are_one_parameter(tmp_path: Path) -> None:
    network = create("autoencoder_fc").eval()
    names = [name for name, value in network.state_dict().items() if value.ndim == 2]
    assert names == ["stages.encoder.layer1.linear.weight"]
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    twin = create("autoencoder_fc").eval()
    twin.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(twin(x), network(x))
    weight = network.get_parameter(names[0])
    code = torch.sigmoid(x.flatten(1) @ weight.T)
    torch.testing.assert_close(network(x), torch.sigmoid(code @ weight).view(3, 1, 28, 28))


@pytest.mark.parametrize(
    ("name", "tap", "code"),
    [
        ("autoencoder_fc", "encoder", (128,)),
        ("autoencoder_fc_deep", "encoder", (30,)),
        ("autoencoder_denoising", "encoder", (1000,)),
        ("autoencoder_conv", "hourglass.down2", (8, 7, 7)),
    ],
)
def test_the_code_is_a_tap(name: str, tap: str, code: tuple[int, ...]) -> None:
    network, x = create(name).eval(), torch.rand(2, 1, 28, 28)
    activations = network.activations(x, [tap, "head.logits"])
    assert activations[tap].shape == (2, *code)
    assert torch.equal(torch.sigmoid(activations["head.logits"]), network(x))


def test_deep_codes_are_linear_and_hidden_units_are_not() -> None:
    network, x = create("autoencoder_fc_deep").eval(), torch.rand(8, 1, 28, 28)
    activations = network.activations(x, ["encoder.layer1", "encoder", "decoder.layer4"])
    assert activations["encoder"].min() < 0
    assert 0 < activations["encoder.layer1"].min() < activations["encoder.layer1"].max() < 1
    assert 0 < activations["decoder.layer4"].min() < activations["decoder.layer4"].max() < 1


def test_the_linear_one_finds_the_principal_components() -> None:
    """Bourlard and Kamp 1988: at its best it spans the largest components and leaves what the others hold."""
    torch.manual_seed(0)
    x = torch.randn(200, 12, dtype=torch.float64) @ torch.randn(12, 12, dtype=torch.float64) + 1.0
    images = x.view(200, 1, 3, 4)
    network = create("autoencoder_linear", Shape(classes=1, channels=1, size=(3, 4)), table={"units": (3,)}).double()
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=300, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = F.mse_loss(network(images), images)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    _, spread, components = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    assert abs(closure() - float(spread[3:].square().sum()) / x.numel()) <= 1e-6
    back = network.get_parameter("stages.decoder.layer1.linear.weight").detach()
    outside = back - components[:3].T @ (components[:3] @ back)
    assert outside.norm() <= 1e-2 * back.norm()


@pytest.mark.parametrize("size", [(1, 1), (5, 6), (28, 28), (33, 30)])
@pytest.mark.parametrize("name", ["autoencoder_fc", "autoencoder_conv"])
def test_every_size_comes_back(name: str, size: tuple[int, int]) -> None:
    network = create(name, Shape(classes=3, channels=3, size=size)).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 3, *size)


def test_output_channels_are_input_channels() -> None:
    with pytest.raises(InputError, match=r"^classes: classes=10 must be channels=1: .*; give as many"):
        create("autoencoder_fc", Shape(classes=10, channels=1, size=(28, 28)))


@pytest.mark.parametrize("name", ["autoencoder_fc", "autoencoder_fc_deep", "autoencoder_conv"])
def test_it_learns(name: str) -> None:
    torch.manual_seed(0)
    blobs = F.interpolate(torch.rand(32, 1, 4, 4), scale_factor=7.0)
    network = create(name)
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=0.003), []
    for _ in range(25):
        optimizer.zero_grad()
        loss = F.mse_loss(network(blobs), blobs)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
