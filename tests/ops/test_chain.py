from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops.chain import Signal, chain, parameter_gradients, signals

SEEDS = range(6)

# Standard deviation of the activations, as lecture 001's study has them: layer -> printed value.
STUDY: dict[str, tuple[dict[str, Any], dict[int, str]]] = {
    "tanh, sigma 0.01": ({"activation": "tanh", "sigma": 0.01}, {1: ".213", 2: ".048", 3: ".011", 4: ".0024"}),
    "tanh, sigma 1": ({"activation": "tanh", "sigma": 1.0}, dict.fromkeys(range(1, 11), ".982")),
    "tanh, Xavier": ({"activation": "tanh", "initialiser": "lecun_normal"}, {1: ".627", 10: ".232"}),
    "ReLU, Xavier": ({"activation": "relu", "initialiser": "lecun_normal"}, {1: ".584", 10: ".027"}),
    "ReLU, He": ({"activation": "relu", "initialiser": "he_normal"}, {1: ".828", 10: ".70"}),
}


@functools.cache
def runs(**options: Any) -> list[list[Signal]]:
    return [signals(generator=np.random.default_rng(seed), **options) for seed in SEEDS]


def measure(field: str, **options: Any) -> np.ndarray:
    """Return [seed, layer] of a field."""
    return np.array([[getattr(signal, field) for signal in run] for run in runs(**options)])


def test_the_slides_factors() -> None:
    np.testing.assert_allclose(chain([0.1, 0.1, 0.1]), [0.1, 0.01, 0.001], rtol=1e-15)
    np.testing.assert_array_equal(chain([2.0, 2.0, 2.0]), [2, 4, 8])
    np.testing.assert_allclose(parameter_gradients([0.1, 0.1], [0.1, 0.1, 0.1]), [0.1, 0.01, 0.001], rtol=1e-15)
    np.testing.assert_array_equal(parameter_gradients([2.0, 2.0], [2.0, 2.0, 2.0]), [2, 4, 8])


def test_products_beyond_the_range_explode_or_vanish() -> None:
    assert chain(np.full(2000, 2.0))[-1] == math.inf
    assert chain(np.full(2000, 0.1))[-1] == 0
    np.testing.assert_array_equal(chain([1e200, 1e200, 0.0, 2.0]), [1e200, math.inf, 0, 0])
    assert chain([]).shape == (0,)


@settings(max_examples=repeats(20, 30), derandomize=True)
@given(st.integers(1, 6), st.integers(0, 100))
def test_autograd_multiplies_the_same_factors(n: int, seed: int) -> None:
    weights = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    through: list[float] = []
    own: list[float] = []
    value = torch.tensor(0.7, dtype=torch.float64)
    for k in reversed(range(n)):  # f_k(w, x) = tanh(w x), the innermost first
        x, w = value.item(), weights[k].item()
        slope = 1 - math.tanh(w * x) ** 2
        through.insert(0, slope * w)
        own.insert(0, slope * x)
        value = torch.tanh(weights[k] * value)
    value.backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    np.testing.assert_allclose(parameter_gradients(through[:-1], own), weights.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", STUDY)
def test_the_initialisation_study_of_the_lecture(case: str) -> None:
    options, rows = STUDY[case]
    measurements = measure("activation", **options)
    # The printed values are one run's. It lies within four standard deviations of single runs, estimated from the
    # spread of the seeds, plus half a unit of the last printed digit.
    for layer, printed in rows.items():
        seen = measurements[:, layer - 1]
        half = 0.5 * 10.0 ** -len(printed.removeprefix("."))
        assert abs(float(printed) - seen.mean()) < 4 * seen.std(ddof=1) + half, (layer, printed, seen)


def test_small_weights_shrink_the_signal_and_the_message_by_the_same_factor() -> None:
    options = {"activation": "tanh", "sigma": 0.01}
    activation, message = measure("activation", **options).mean(0), measure("message", **options).mean(0)
    factor = 0.01 * math.sqrt(500)  # 0.2236
    np.testing.assert_allclose(activation[1:] / activation[:-1], factor, rtol=0.01)
    np.testing.assert_allclose(message[:-1] / message[1:], factor, rtol=0.03)
    assert activation[-1] < 1e-6
    assert message[0] < 1e-5


def test_large_weights_saturate() -> None:
    options = {"activation": "tanh", "sigma": 1.0}
    # s ~ N(0, 500 E(y^2)): tanh' is below a hundredth where |s| > atanh(sqrt(0.99)) = 2.99.
    deviation = math.sqrt(500 * 0.982**2)
    expected = math.erfc(math.atanh(math.sqrt(0.99)) / deviation / math.sqrt(2))
    np.testing.assert_allclose(measure("saturated", **options).mean(0), expected, atol=0.005)


def test_rectifiers_halve_the_variance_unless_he_makes_up_for_it() -> None:
    xavier = measure("activation", activation="relu", initialiser="lecun_normal")
    he = measure("activation", activation="relu", initialiser="he_normal")
    # Exactly the same draws, times sqrt(2) a layer.
    np.testing.assert_allclose(he, xavier * 2 ** (np.arange(1, 11) / 2), rtol=1e-12)
    ratio = (xavier[:, -1] / xavier[:, 0]) ** (1 / 9)
    assert abs(ratio.mean() - 1 / math.sqrt(2)) < 4 * ratio.std(ddof=1) / math.sqrt(len(SEEDS))
    # sqrt(1 - 1/pi): the standard deviation of max(x, 0) for x of N(0, 2)
    assert he[:, 0].mean() == pytest.approx(math.sqrt(1 - 1 / math.pi), rel=0.005)
    saturated = measure("saturated", activation="relu", initialiser="he_normal")
    np.testing.assert_allclose(saturated.mean(0), 0.5, atol=0.03)


@pytest.mark.parametrize(("name", "sigma"), [("lecun_normal", None), (None, 0.01), (None, 1.0)])
def test_mean_field_theory_predicts_tanh(name: str | None, sigma: float | None) -> None:
    """In wide layers s is Gaussian: v <- E[tanh(s)^2] with s of N(0, n Var(w) v), integrated on a grid."""
    measurements = measure("activation", activation="tanh", initialiser=name, sigma=sigma).mean(0)
    z = np.linspace(-8, 8, 20001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    gain, v = (1.0 if sigma is None else 500 * sigma**2), 1.0
    for measured in measurements:
        v = float((np.tanh(math.sqrt(gain * v) * z) ** 2) @ density)
        assert measured == pytest.approx(math.sqrt(v), rel=0.01)


@pytest.mark.parametrize("activation", ["tanh", "relu", "linear", "sigmoid"])
def test_a_residual_connection_keeps_the_gradient_of_the_first_layer(activation: str) -> None:
    options: dict[str, Any] = {"activation": activation, "sigma": 0.01, "depth": 20, "width": 100}
    plain, residual = ({f: measure(f, residual=r, **options) for f in ("message", "gradient")} for r in (False, True))
    assert plain["message"][:, 0].max() < 1e-15
    assert residual["message"][:, 0].min() > 0.9
    # Later layers have larger inputs, as the outputs add up: most with sigmoid, which are all positive.
    assert (residual["gradient"][:, 0] / residual["gradient"][:, -1]).min() > 0.1
    assert (residual["gradient"][:, 0] > 1e10 * plain["gradient"][:, 0]).all()


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu", "linear", "sigmoid"])
def test_autograd_sends_the_same_messages(activation: str, residual: bool) -> None:
    depth, shape = 4, (6, 5)
    options: dict[str, Any] = {"activation": activation, "sigma": 0.7, "residual": residual}
    layer_signals = signals(generator=np.random.default_rng(1), depth=depth, width=shape[1], batch=shape[0], **options)
    generator = np.random.default_rng(1)  # the same draws: inputs, messages, then a weight a layer
    x, message = (torch.from_numpy(generator.standard_normal(shape)) for _ in range(2))
    functions: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "tanh": torch.tanh,
        "relu": torch.relu,
        "linear": lambda s: s,
        "sigmoid": torch.sigmoid,
    }
    weights, outputs = [], []
    for _ in range(depth):
        weights.append(torch.from_numpy(0.7 * generator.standard_normal((5, 5))).requires_grad_())
        y = functions[activation](x @ weights[-1].T)
        x = x + y if residual else y
        x.retain_grad()
        outputs.append(x)
    x.backward(message)  # type: ignore[no-untyped-call]
    for layer, (signal, weight, output) in enumerate(zip(layer_signals, weights, outputs, strict=True), start=1):
        assert weight.grad is not None
        assert output.grad is not None
        expected = [float(t.std(correction=0)) for t in (output.detach(), output.grad, weight.grad)]
        assert signal.layer == layer
        np.testing.assert_allclose([signal.activation, signal.message, signal.gradient], expected, rtol=0, atol=1e-10)


def test_functions_are_initialisers_too_and_runs_repeat() -> None:
    def eye(shape: Any, generator: np.random.Generator) -> np.ndarray:
        return np.eye(*shape)

    first, second = (
        signals(activation="linear", initialiser=eye, generator=np.random.default_rng(0), width=20) for _ in range(2)
    )
    assert first == second
    assert len({(s.activation, s.message, s.gradient, s.saturated) for s in first}) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"activation": "tan", "sigma": 1.0}, r"activation: 'tan' is not known \(did you mean 'tanh'"),
        ({"activation": "tanh"}, "sigma: got sigma=None and initialiser=None; give one of the two"),
        ({"activation": "tanh", "sigma": 1.0, "initialiser": "he_normal"}, "give one of the two"),
        ({"activation": "tanh", "initialiser": "xavier"}, "initialiser: 'xavier' is not known"),
        ({"activation": "tanh", "sigma": -1.0}, "sigma=-1.0 must be positive"),
        ({"activation": "tanh", "sigma": 1.0, "depth": 0}, "depth=0 must be at least 1"),
        ({"activation": "linear", "sigma": 10.0, "depth": 200, "width": 30}, "depth: the signal explodes"),
    ],
)
def test_wrong_chains(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        signals(generator=np.random.default_rng(0), **options)


def test_wrong_factors() -> None:
    with pytest.raises(InputError, match="through: has 3 derivatives for 3 functions"):
        parameter_gradients([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    with pytest.raises(InputError, match=r"factors\[1\]: is nan"):
        chain([1.0, float("nan")])


def test_products_survive_what_is_beyond_the_range_in_between() -> None:
    assert chain([1e200, 1e200, 1e-300]).tolist() == pytest.approx([1e200, math.inf, 1e100], rel=1e-12)
    assert chain([1e-200, 1e-200, 1e300]).tolist() == pytest.approx([1e-200, 0.0, 1e-100], rel=1e-12)
    assert chain([1e200, 1e200, 0.0, -1.0]).tolist() == [1e200, math.inf, 0.0, 0.0]
    assert chain([0.5] * 3000 + [2.0] * 3000)[-1] == 1.0
    gradients = parameter_gradients([1e200, 1e200], [1.0, 1e-300, 1e-300])
    assert gradients.tolist() == pytest.approx([1.0, 1e-100, 1e100], rel=1e-12)


def test_a_chain_has_a_function() -> None:
    with pytest.raises(InputError, match=r"^own: holds no derivatives, and a chain has at least one function"):
        parameter_gradients([], [])
