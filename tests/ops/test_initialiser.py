from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from thorough import repeats

from convworks.errors import InputError
from convworks.ops import initialiser
from convworks.ops.initialiser import INITIALISERS, by_name, fans

SHAPES = ((300, 200), (64, 32, 3, 3), (40, 30, 11), (16, 24, 3, 2, 5))

# The standard deviation or the bound, from the fans.
NORMAL: dict[str, Callable[[int, int], float]] = {
    "gaussian": lambda n, m: 0.01,
    "xavier_normal": lambda n, m: math.sqrt(2 / (n + m)),
    "lecun_normal": lambda n, m: math.sqrt(1 / n),
    "he_normal": lambda n, m: math.sqrt(2 / n),
}
UNIFORM: dict[str, Callable[[int, int], float]] = {
    "uniform": lambda n, m: 1 / math.sqrt(n),
    "xavier_uniform": lambda n, m: math.sqrt(6 / (m + n)),
    "he_uniform": lambda n, m: math.sqrt(6 / n),
}
# PyTorch's names for the same.
PEERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "xavier_normal": torch.nn.init.xavier_normal_,
    "xavier_uniform": torch.nn.init.xavier_uniform_,
    "lecun_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="linear"),
    "he_normal": torch.nn.init.kaiming_normal_,
    "he_uniform": torch.nn.init.kaiming_uniform_,
    "uniform": lambda w: torch.nn.init.kaiming_uniform_(w, a=math.sqrt(5)),  # what Linear and Conv2d begin with
}


def draw(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return by_name(name)(shape, np.random.default_rng(seed))


def test_fans_count_what_an_output_sums_up_and_where_an_input_goes() -> None:
    assert fans((5, 7)) == (7, 5)
    assert fans((6, 4, 3, 3)) == (36, 54)
    # Away from the borders: the derivative by one input reaches fan_out outputs, an output reads fan_in inputs.
    x = torch.zeros(1, 4, 9, 9, dtype=torch.float64, requires_grad=True)
    z = torch.nn.functional.conv2d(x, torch.ones(6, 4, 3, 3, dtype=torch.float64))
    (read,) = torch.autograd.grad(z[0, 0, 3, 3], x, retain_graph=True)
    (reached,) = torch.autograd.grad(z.sum(), x)
    assert (int(read.sum()), int(reached[0, 0, 4, 4])) == fans((6, 4, 3, 3))


@pytest.mark.parametrize("shape", SHAPES)
def test_fans_are_those_of_pytorch(shape: tuple[int, ...]) -> None:
    theirs = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert fans(shape) == theirs


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NORMAL)
def test_normal_draws_have_the_distribution_of_the_lecture(name: str, shape: tuple[int, ...]) -> None:
    values = draw(name, shape).ravel()
    sigma = NORMAL[name](*fans(shape))
    assert stats.kstest(values, stats.norm(0, sigma).cdf).pvalue > 0.01
    # Mean and standard deviation within four standard errors.
    assert abs(values.mean()) < 4 * sigma / math.sqrt(values.size)
    assert abs(values.std() / sigma - 1) < 4 / math.sqrt(2 * values.size)
    assert abs(stats.kurtosis(values)) < 4 * math.sqrt(24 / values.size)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_draws_have_the_distribution_of_the_lecture(name: str, shape: tuple[int, ...]) -> None:
    values = draw(name, shape).ravel()
    bound = UNIFORM[name](*fans(shape))
    assert stats.kstest(values, stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.01
    assert bound * (1 - 20 / values.size) < abs(values).max() <= bound
    assert abs(values.var() / (bound**2 / 3) - 1) < 4 * math.sqrt(0.8 / values.size)


@pytest.mark.parametrize("name", PEERS)
def test_pytorch_draws_from_the_same_distribution(name: str) -> None:
    shape = (64, 32, 3, 3)
    torch.manual_seed(0)
    theirs = PEERS[name](torch.empty(shape)).numpy().ravel()
    assert stats.ks_2samp(draw(name, shape).ravel(), theirs).pvalue > 0.01


@pytest.mark.parametrize("shape", [*SHAPES, (200, 300), (8, 200, 3, 3), (1, 9), (9, 1), (7, 7)])
def test_orthogonal_rows_or_columns_whichever_are_fewer(shape: tuple[int, ...]) -> None:
    values = draw("orthogonal", shape)
    matrix = values.reshape(shape[0], -1)
    product = matrix @ matrix.T if shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert values.shape == shape
    np.testing.assert_allclose(product, np.eye(min(matrix.shape)), atol=1e-12)
    twice = initialiser.orthogonal(shape, np.random.default_rng(0), gain=2.0)
    np.testing.assert_array_equal(twice, 2 * values)


def test_orthogonal_matrices_are_haar_distributed() -> None:
    generator = np.random.default_rng(3)
    drawn = np.array([initialiser.orthogonal((4, 4), generator) for _ in range(4000)])
    # scipy.stats.ortho_group is the Haar distribution: entries, traces and determinants are distributed alike.
    haar = stats.ortho_group.rvs(4, size=4000, random_state=generator)
    for at in ((0, 0), (1, 2), (3, 3)):
        assert stats.ks_2samp(drawn[:, *at], haar[:, *at]).pvalue > 0.01
    assert stats.ks_2samp(np.trace(drawn, axis1=1, axis2=2), np.trace(haar, axis1=1, axis2=2)).pvalue > 0.01
    assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(4000)
    # An entry of a Haar matrix has mean 0 and variance 1/4; without the signs, Q has a negative diagonal.
    assert abs(drawn[:, 0, 0].mean()) < 4 * 0.5 / math.sqrt(4000)


@pytest.mark.parametrize(
    ("name", "signal", "message"),
    [("lecun_normal", 1.0, 0.5), ("xavier_normal", 4 / 3, 2 / 3), ("he_normal", 2.0, 1.0)],
)
def test_what_the_variances_are_for(name: str, signal: float, message: float) -> None:
    """From 1000 to 500 linear units the signal's variance is fan_in Var(w), the message's fan_out Var(w)."""
    generator = np.random.default_rng(0)
    weight = by_name(name)((500, 1000), generator)
    assert (generator.standard_normal((2000, 1000)) @ weight.T).var() == pytest.approx(signal, rel=0.02)
    assert (generator.standard_normal((2000, 500)) @ weight).var() == pytest.approx(message, rel=0.02)


def test_relu_keeps_the_mean_square_with_he() -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((1000, 1000))
    y = np.maximum(x @ initialiser.he_normal((1000, 1000), generator).T, 0)
    assert (y**2).mean() == pytest.approx(1, rel=0.02)


def test_constants_leave_units_alike() -> None:
    weight = initialiser.constant((5, 3), 0.25)
    assert weight.dtype == np.float64
    x = np.random.default_rng(0).standard_normal((10, 3))
    z = x @ weight.T
    assert (z == z[:, :1]).all()
    np.testing.assert_array_equal(initialiser.constant((4,), 0.0), np.zeros(4))
    np.testing.assert_array_equal(draw("zeros", (4, 2)), np.zeros((4, 2)))


@settings(max_examples=repeats(20, 40), derandomize=True)
@given(st.sampled_from(sorted(INITIALISERS)), st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 9))
def test_every_initialiser_is_a_function_of_shape_and_generator(name: str, shape: list[int], seed: int) -> None:
    values = draw(name, tuple(shape), seed)
    assert values.shape == tuple(shape)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values, draw(name, tuple(shape), seed))


@pytest.mark.parametrize("name", INITIALISERS)
@pytest.mark.parametrize("shape", [(), (5,), (5, 0), (0, 5, 3)])
def test_shapes_of_no_weight(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="shape: must be"):
        draw(name, shape)


def test_unknown_names_and_wrong_numbers() -> None:
    with pytest.raises(InputError, match=r"'he_norml' is not known \(did you mean 'he_normal'"):
        by_name("he_norml")
    generator = np.random.default_rng(0)
    for sigma in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"sigma={sigma} must be positive"):
            initialiser.gaussian((2, 2), generator, sigma)
    with pytest.raises(InputError, match=r"gain=0\.0 must be positive"):
        initialiser.orthogonal((2, 2), generator, gain=0.0)
    with pytest.raises(InputError, match="value=nan must be finite"):
        initialiser.constant((2, 2), float("nan"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("kaiming_normal", "did you mean 'he_normal'?"),
        ("kaiming_uniform_", "did you mean 'he_uniform'?"),
        ("glorot_uniform", "did you mean 'xavier_uniform'?"),
        ("Glorot_Normal", "did you mean 'xavier_normal'?"),
        ("he", "did you mean 'he_normal' or 'he_uniform'?"),
        ("xavier", "did you mean 'xavier_uniform' or 'xavier_normal'?"),
        ("kaiming", "did you mean 'he_normal' or 'he_uniform'?"),
        ("lecun", "did you mean 'lecun_normal'?"),
        ("normal", "did you mean 'gaussian'?"),
        ("lsuv", "layer-sequential unit variance is convworks.layers.initialise.unit_variance"),
    ],
)
def test_other_names_lead_to_ours(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        by_name(name)
    assert f"{name!r} is not known ({hint});" in str(caught.value)
