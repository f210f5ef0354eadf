from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from convworks.data.column import Arrays
from convworks.data.sources.digits import open_digits
from convworks.errors import InputError
from convworks.layers.initialise import initialise, unit_variance
from convworks.layers.partial import PartialConv2d
from convworks.models.catalogue import create
from convworks.models.lenet import CONNECTIONS
from convworks.ops.initialiser import INITIALISERS

# A layer, and what an output of it sums up.
LAYERS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "Linear": (lambda: nn.Linear(60, 50), 60),
    "Conv1d": (lambda: nn.Conv1d(40, 30, 5), 40 * 5),
    "Conv2d": (lambda: nn.Conv2d(32, 24, 3), 32 * 9),
    "Conv3d": (lambda: nn.Conv3d(16, 12, (1, 2, 3)), 16 * 6),
    "Conv2d, groups": (lambda: nn.Conv2d(64, 32, 3, groups=4), 16 * 9),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(20, 50, 3), 20 * 3),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(32, 12, 3), 32 * 9),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(16, 12, 2), 16 * 8),
    "ConvTranspose2d, groups": (lambda: nn.ConvTranspose2d(64, 32, 3, groups=4), 16 * 9),
}


def digits(n: int = 128) -> Tensor:
    inputs = open_digits().splits["train"].inputs
    assert isinstance(inputs, Arrays)
    pixels = torch.from_numpy(inputs.values[:n]).float().permute(0, 3, 1, 2)
    return (pixels - pixels.mean()) / pixels.std()


def deviations(network: nn.Module, images: Tensor) -> dict[str, float]:
    """Measure each layer's output anew, in evaluation mode."""
    deviations_by_name: dict[str, float] = {}
    network = copy.deepcopy(network).eval()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | PartialConv2d):

            def keep(_module: nn.Module, _inputs: Any, output: Tensor, name: str = name) -> None:
                deviations_by_name[name] = float(output.double().std(correction=0))

            module.register_forward_hook(keep)
    with torch.no_grad():
        network(images)
    return deviations_by_name


@pytest.mark.parametrize("kind", LAYERS)
def test_weights_have_the_variance_of_what_an_output_sums_up(kind: str) -> None:
    build, fan_in = LAYERS[kind]
    layer: Any = build()
    assert initialise(layer, "he_normal", seed=0) == ("network",)
    values = layer.weight.detach().numpy().ravel()
    assert stats.kstest(values, stats.norm(0, math.sqrt(2 / fan_in)).cdf).pvalue > 0.01
    assert layer.bias.abs().sum() == 0


@pytest.mark.parametrize("kind", LAYERS)
def test_linear_signals_keep_their_variance(kind: str) -> None:
    layer: Any = LAYERS[kind][0]()
    initialise(layer, "lecun_normal", seed=0)
    channels = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
    axes = 0 if isinstance(layer, nn.Linear) else layer.weight.ndim - 2
    size = {0: 0, 1: 60, 2: 12, 3: 8}[axes]
    x = torch.randn(20 if axes else 500, channels, *[size] * axes, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        z = layer(x)
    inside = z[..., *[slice(2, -2)] * axes]  # away from the borders
    assert float(inside.var()) == pytest.approx(1, rel=0.12)


@pytest.mark.parametrize("kind", ["Conv2d, groups", "ConvTranspose2d, groups"])
def test_each_group_is_orthonormal_by_itself(kind: str) -> None:
    layer: Any = LAYERS[kind][0]()
    initialise(layer, "orthogonal", seed=0)
    weight = layer.weight.detach().double().numpy()
    for group in np.split(weight, 4):
        # Of a convolution [out, in, *kernel], of an up-convolution [in, out, *kernel].
        rows = (group if kind.startswith("Conv2d") else group.swapaxes(0, 1)).reshape(8, 16 * 9)
        np.testing.assert_allclose(rows @ rows.T, np.eye(8), atol=1e-6)


def test_depthwise_convolutions_have_the_fans_of_one_channel() -> None:
    layer = nn.Conv2d(512, 512, 3, groups=512)
    initialise(layer, "xavier_normal", seed=0)
    assert float(layer.weight.detach().std()) == pytest.approx(math.sqrt(2 / (9 + 9)), rel=0.05)


def test_partial_convolutions_have_the_fans_of_each_map() -> None:
    table = [range(4)] * 300 + [range(25)] * 300
    layer = PartialConv2d(25, table, 3)
    few = 300 * 4  # kernels of the maps that see four inputs
    initialise(layer, "he_normal", seed=0)
    weight = layer.weight.detach()
    assert weight[:few].std().item() == pytest.approx(math.sqrt(2 / (4 * 9)), rel=0.05)
    assert weight[few:].std().item() == pytest.approx(math.sqrt(2 / (25 * 9)), rel=0.05)
    assert layer.bias.abs().sum() == 0
    c3 = PartialConv2d(6, CONNECTIONS, 5)
    initialise(c3, "orthogonal", seed=0)
    torch.testing.assert_close(c3.dense_weight().detach().flatten(1).norm(dim=1), torch.ones(16))
    # On average an input of LeNet-5's C3 goes to ten maps: Xavier's fan_out.
    bound = max(math.sqrt(6 / (len(inputs) * 25 + 10 * 25)) for inputs in CONNECTIONS)
    initialise(c3, "xavier_uniform", seed=0)
    assert 0.98 * bound < c3.weight.abs().max() <= bound


def test_other_modules_are_left_and_names_are_told() -> None:
    network = create("convnet_digits")
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    names = initialise(network, "gaussian", seed=3)
    assert names == ("stem.conv", "stages.stage1.conv", "stages.stage2.conv", "head.logits")
    assert all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)
    lenet = create("lenet5")
    before = {name: value.clone() for name, value in lenet.state_dict().items()}
    named = initialise(lenet, "he_normal", seed=0)
    for name, value in lenet.state_dict().items():
        drawn = name.endswith(".weight") and name.removesuffix(".weight") in named
        assert torch.equal(value, before[name]) != drawn


def test_layers_do_not_depend_on_one_another() -> None:
    def weights(width: int, seed: int, how: Any = "xavier_uniform") -> list[Tensor]:
        network = nn.Sequential(nn.Linear(5, width), nn.Linear(width, 6), nn.Linear(6, 4), nn.Linear(6, 4))
        initialise(network, how, seed=seed)
        return [value.detach() for name, value in network.named_parameters() if name.endswith("weight")]

    narrow = weights(3, seed=7)
    assert torch.equal(narrow[2], weights(30, seed=7)[2])
    assert all(map(torch.equal, narrow, weights(3, seed=7, how=INITIALISERS["xavier_uniform"])))
    assert not any(map(torch.equal, narrow, weights(3, seed=8)))
    assert not torch.equal(narrow[2], narrow[3])


def test_kind_layout_and_requires_grad_stay() -> None:
    layer = nn.Conv2d(8, 8, 3).to(torch.bfloat16).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    layer.weight.requires_grad_(False)
    weight = layer.weight
    initialise(layer, "he_normal", seed=0)
    assert layer.weight is weight
    assert weight.dtype == torch.bfloat16
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.requires_grad
    assert layer.bias is not None
    assert layer.bias.requires_grad


@pytest.mark.parametrize("name", INITIALISERS)
def test_every_initialiser_serves_every_layer(name: str) -> None:
    for build, _ in LAYERS.values():
        initialise(build(), name, seed=0)
    initialise(PartialConv2d(6, CONNECTIONS, 5), name, seed=0)


@pytest.mark.parametrize("name", ["convnet_digits", "resnet20", "plain20", "lenet5_modern", "lenet5"])
def test_unit_variance_of_real_networks(name: str) -> None:
    network = create(name)
    generator = torch.Generator().manual_seed(0)
    shape = (1, 32, 32) if name.startswith("lenet") else (3, 32, 32)
    images = digits() if name == "convnet_digits" else torch.randn(16, *shape, generator=generator)
    scalings = unit_variance(network, images, tolerance=0.01)
    measured = deviations(network, images)
    assert list(scalings) == list(measured)  # in the order of computation
    for layer, row in scalings.items():
        assert measured[layer] == pytest.approx(row.after, rel=1e-4)
        assert abs(row.after - 1) < 0.01
        # Biases are 0, so the output is proportional to the weight: one division is enough.
        assert row.attempts == (abs(row.before - 1) >= 0.01)


def test_unit_variance_scales_orthonormal_weights() -> None:
    network, plain = create("convnet_digits"), create("convnet_digits")
    scalings = unit_variance(network, digits(), seed=5)
    initialise(plain, "orthogonal", seed=5)
    for name, row in scalings.items():
        scaled, orthonormal = (each.get_parameter(f"{name}.weight") for each in (network, plain))
        factor = 1 / row.before if row.attempts else 1.0
        torch.testing.assert_close(scaled, orthonormal * factor)


def test_unit_variance_has_no_side_effects() -> None:
    network = create("convnet_digits", table={"dropout": 0.5})
    network.train()
    network.stages[0].eval()
    next(iter(network.parameters())).requires_grad_(False)
    modes = [module.training for module in network.modules()]
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    unit_variance(network, digits(32))
    assert [module.training for module in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == wanted
    assert all(torch.equal(value, buffers[name]) for name, value in network.named_buffers())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_layer_used_twice_is_fitted_once_and_one_not_reached_stays() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared, self.unused = nn.Linear(6, 6), nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.shared(self.shared(input=3 * x).relu())  # type: ignore[no-any-return]

    network = Twice()
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    scalings = unit_variance(network, x)
    assert list(scalings) == ["shared"]
    assert float((3 * x @ network.shared.weight.detach().T).std(correction=0)) == pytest.approx(1, rel=1e-5)
    torch.testing.assert_close(network.unused.weight @ network.unused.weight.T, torch.eye(6))


def test_attempts_run_out() -> None:
    layer = nn.Linear(6, 6).to(torch.bfloat16)
    x = 5 * torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    row = unit_variance(layer, x, tolerance=1e-12, attempts=3)["network"]
    assert row.attempts == 3
    assert row.after == pytest.approx(1, abs=0.01)


def test_images_without_variance_name_the_layer() -> None:
    network = create("convnet_digits").train()
    with pytest.raises(InputError, match=r"^stem.conv: its output for these images is constant \(standard deviation 0"):
        unit_variance(network, torch.zeros(4, 1, 8, 8))
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    with pytest.raises(InputError, match="constant"):  # up to rounding, of 0.1 and its sums
        unit_variance(nn.Linear(3, 1), torch.full((50, 3), 0.1))
    broken = digits(4)
    broken[2, 0, 3, 3] = float("nan")
    with pytest.raises(InputError, match=r"stem.conv: its output for these images is not finite"):
        unit_variance(network, broken)
    with pytest.raises(InputError, match=r"images: are none \(shape \(0, 1, 8, 8\)\)"):
        unit_variance(network, torch.zeros(0, 1, 8, 8))


def test_a_dead_layer_names_the_next() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Threshold(1e9, 0.0), nn.Linear(4, 4))
    with pytest.raises(InputError, match=r"^2: its output for these images is constant"):
        unit_variance(network, torch.randn(9, 4))


def test_wrong_requests() -> None:
    network = nn.Sequential(nn.Linear(4, 4))

    def wrong(shape: Sequence[int], generator: np.random.Generator) -> np.ndarray:
        return np.full(shape[::-1] if shape[0] != shape[1] else shape, np.inf)

    with pytest.raises(InputError, match="'xavier_unifrom' is not known"):
        initialise(network, "xavier_unifrom", seed=0)
    with pytest.raises(InputError, match="seed=-1 must be at least 0"):
        initialise(network, "he_normal", seed=-1)
    with pytest.raises(InputError, match=r"seed: seed=1.5 must be a whole number"):
        inspect.unwrap(initialise)(network, "he_normal", seed=1.5)  # without the tests' checks of types
    for layer in (nn.Linear(4, 4), nn.Linear(4, 5)):
        with pytest.raises(InputError, match=r"initialiser: gave shape .* for network, or values not finite"):
            initialise(layer, wrong, seed=0)
    with pytest.raises(InputError, match="weight: is not a parameter with values of its own"):
        initialise(nn.Sequential(nn.LazyLinear(4)), "he_normal", seed=0)
    with pytest.raises(InputError, match="weight: is not a parameter with values of its own"):
        initialise(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), "he_normal", seed=0)
    with pytest.raises(InputError, match=r"tolerance=0\.0 must be positive"):
        unit_variance(network, torch.randn(3, 4), tolerance=0.0)
    with pytest.raises(InputError, match="attempts=0 must be at least 1"):
        unit_variance(network, torch.randn(3, 4), attempts=0)
