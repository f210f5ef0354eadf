"""Optimisers against PyTorch's own, ten steps each, and Muon against its formulas in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convworks.models.catalogue import create
from convworks.training.optimizers.config import SGD, Adadelta, Adam, AdamW, Muon, Optimizer, RMSProp
from convworks.training.optimizers.muon import orthogonalised
from convworks.training.optimizers.update import initial_state, is_weight, last_weights, trainable, update

Make = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]

CASES: dict[str, tuple[Optimizer, Make]] = {
    "sgd": (SGD(momentum=0.0, nesterov=False, weight_decay=0.01), lambda g: torch.optim.SGD(g)),
    "momentum": (SGD(nesterov=False, weight_decay=0.01), lambda g: torch.optim.SGD(g, momentum=0.9)),
    "nesterov": (SGD(weight_decay=0.01), lambda g: torch.optim.SGD(g, momentum=0.9, nesterov=True)),
    "rmsprop": (
        RMSProp(smoothing=0.95, epsilon=1e-6, weight_decay=0.01),
        lambda g: torch.optim.RMSprop(g, alpha=0.95, eps=1e-6),
    ),
    "rmsprop with momentum": (
        RMSProp(momentum=0.9, epsilon=1.0, weight_decay=0.01),
        lambda g: torch.optim.RMSprop(g, momentum=0.9, eps=1.0),
    ),
    "adam": (
        Adam(betas=(0.8, 0.99), epsilon=1e-7, weight_decay=0.01),
        lambda g: torch.optim.Adam(g, betas=(0.8, 0.99), eps=1e-7),
    ),
    "adamw": (
        AdamW(betas=(0.8, 0.99), epsilon=1e-7, weight_decay=0.01),
        lambda g: torch.optim.AdamW(g, betas=(0.8, 0.99), eps=1e-7),
    ),
    "adadelta": (Adadelta(smoothing=0.95, weight_decay=0.01), lambda g: torch.optim.Adadelta(g, rho=0.95)),
}


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 3)).double()


def ten_batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(8, 2, 8, 8, generator=generator).double(), torch.randint(0, 3, (8,), generator=generator))
        for _ in range(10)
    ]


@pytest.mark.parametrize("decays", ["weights", "all"])
@pytest.mark.parametrize("case", CASES)
def test_ten_steps_equal_pytorchs(case: str, decays: str) -> None:
    config, make = CASES[case]
    config = config.model_copy(update={"decays": decays})
    network, peer = small(), small()
    spared = 0.01 if decays == "all" else 0.0
    groups: list[dict[str, Any]] = [
        {"params": [p for p in peer.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in peer.parameters() if p.ndim == 1], "weight_decay": spared},
    ]
    reference = make(groups)
    parameters = trainable(network)
    state = initial_state(config, parameters)
    for step, (images, labels) in enumerate(ten_batches()):
        rate = 0.05 / (step + 1)
        for model in (network, peer):
            nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        reference.zero_grad()
        update(config, parameters, state, rate)
        assert all(p.grad is None for p in parameters.values())
    for a, b in zip(network.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def newton_schulz(matrix: np.ndarray, iterations: int) -> np.ndarray:
    """The same on the singular values alone, which is what the iteration does."""
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    s = s / np.linalg.norm(s)
    for _ in range(iterations):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    result: np.ndarray = (u * s) @ v
    return result


@pytest.mark.parametrize("shape", [(4, 18), (18, 4), (7, 7), (1, 9)])
def test_orthogonalised_works_on_the_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, dtype=torch.float64)
    expected = newton_schulz(matrix.numpy(), 5)
    np.testing.assert_allclose(orthogonalised(matrix, 5).numpy(), expected, atol=1e-10)
    values = torch.linalg.svdvals(orthogonalised(matrix, 10))
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert torch.equal(orthogonalised(torch.zeros(3, 4), 5), torch.zeros(3, 4))


def test_orthogonalised_in_float32_is_as_good_as_in_float64() -> None:
    matrix = torch.randn(64, 576, dtype=torch.float64)
    matrix[1] = matrix[0] * (1 + 1e-6)  # a singular value near 0
    result = orthogonalised(matrix.float(), 5).double()
    torch.testing.assert_close(result, orthogonalised(matrix, 5), rtol=0, atol=1e-4)


@pytest.mark.parametrize("normalise", [False, True])
def test_ten_steps_of_muon_equal_its_formulas(normalise: bool) -> None:
    config = Muon(momentum=0.9, weight_decay=0.01, others=0.5, normalise=normalise)
    network, peer = small(), small()
    parameters = trainable(network)
    state = initial_state(config, parameters)
    filters = peer.get_parameter("0.weight")
    rest = [p for name, p in peer.named_parameters() if name != "0.weight"]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in rest if p.ndim == 1], "weight_decay": 0.0},
    ]
    reference = torch.optim.SGD(groups, lr=0.02 * 0.5, momentum=0.9, nesterov=True)
    average = np.zeros((4, 18))
    for images, labels in ten_batches():
        for model in (network, peer):
            nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        assert filters.grad is not None
        gradient = filters.grad.numpy().reshape(4, 18)
        average = 0.9 * average + 0.1 * gradient
        change = newton_schulz(0.1 * gradient + 0.9 * average, 5)
        reference.step()
        with torch.no_grad():
            if normalise:
                filters.mul_(2 / filters.square().sum().sqrt())  # four filters
            filters.mul_(1 - 0.02 * 0.01).sub_(0.02 * torch.from_numpy(change).reshape(filters.shape))
        peer.zero_grad()
        update(config, parameters, state, 0.02)
    for a, b in zip(network.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_muon_leaves_the_matrices_of_logits_to_sgd() -> None:
    network = create("googlenet")
    names = last_weights(trainable(network))
    assert names == {"head.logits.weight", "auxiliary.aux1.logits.weight", "auxiliary.aux2.logits.weight"}


def test_muon_takes_larger_steps_where_there_are_more_outputs_than_inputs() -> None:
    sizes = []
    for shape in ((16, 4), (4, 16)):
        weight = nn.Parameter(torch.zeros(shape))
        weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        last = nn.Parameter(torch.zeros(2, 2))
        parameters: dict[str, Tensor] = {"hidden": weight, "last": last}
        update(Muon(), parameters, initial_state(Muon(), parameters), 1.0)
        sizes.append(torch.linalg.svdvals(weight.detach()).median())
    assert sizes[0] / sizes[1] == pytest.approx(2, rel=0.4)


def test_weights_are_told_from_biases_and_norms() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3))
    assert [name for name, p in network.named_parameters() if is_weight(p)] == ["0.weight", "2.weight"]
