"""Gradients through deep chains (lectures 002, Vanishing/Exploding Gradients; 001, Parameter Initialization).

    F = f_1(w_1, f_2(w_2, ... f_n(w_n)))
    dF/dw_k = (df_1/df_2) (df_2/df_3) ... (df_{k-1}/df_k) (df_k/dw_k)

Every function between a parameter and F contributes a factor: (.1)^3 = .001 vanishes, 2^3 = 8 explodes. `signals`
measures the same in a chain of fully connected layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from numpy.random import Generator
from numpy.typing import ArrayLike

from convworks.errors import InputError, nearest
from convworks.ops import fully_connected
from convworks.ops.activation import relu, sigmoid, tanh
from convworks.ops.arrays import Array, TooLargeError, floats
from convworks.ops.initialiser import Initialiser, by_name, gaussian
from convworks.ops.whole import Whole, whole

Matrix = Float64[np.ndarray, "b n"]

#: A unit is saturated if its derivative is below this fraction of the largest derivative of its activation.
SATURATED = 0.01


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Statistics of a layer of a chain; layers count from 1 at the input. All but `saturated` are standard deviations.

    activation: of the layer's outputs; saturated: fraction of units, over the batch, that pass (almost) no message;
    message: of the derivative of the loss, summed over the batch, by the layer's outputs; gradient: by its weights.
    """

    layer: int
    activation: float
    saturated: float
    message: float
    gradient: float


class Activation(NamedTuple):
    """An activation for `signals`: its forward and backward functions, and its largest derivative."""

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]
    steepest: float


ACTIVATIONS = {
    "linear": Activation(lambda x: x, lambda message, x: message, 1.0),
    "tanh": Activation(tanh.forward, tanh.backward, 1.0),
    "sigmoid": Activation(sigmoid.forward, sigmoid.backward, 0.25),
    "relu": Activation(relu.forward, relu.backward, 1.0),
}


def chain(factors: ArrayLike) -> Float64[np.ndarray, "n"]:
    """Return the products of the first 1, 2, ... n factors: the scale of a message after that many functions.

    Lecture 002, Vanishing/Exploding Gradients: factors of .1 leave .1, .01, .001. A product beyond the range of
    float64 is inf, or 0; later factors may bring it back. Raises InputError for factors that are not finite.
    """
    return _scaled(*_products(floats("factors", factors, "functions")))


def parameter_gradients(through: ArrayLike, own: ArrayLike) -> Float64[np.ndarray, "n"]:
    """Return dF/dw_1 ... dF/dw_n of the chain above (lecture 002, Vanishing/Exploding Gradients).

    `through` are the n - 1 derivatives df_k/df_{k+1} of each function by the next inner one, `own` the n derivatives
    df_k/dw_k by its own parameter. Raises InputError for inconsistent lengths and values that are not finite.
    """
    inner, last = floats("through", through, "functions"), floats("own", own, "functions")
    if not len(last):
        raise InputError("own", "holds no derivatives, and a chain has at least one function", "give one for each")
    if len(inner) != len(last) - 1:
        raise InputError(
            "through",
            f"has {len(inner)} derivatives for {len(last)} functions",
            f"give one for each function but the innermost: {len(last) - 1}",
        )
    before, exponents = _products(np.array([1.0, *inner]))
    mantissas, more = np.frexp(last)
    return _scaled(before * mantissas, exponents + more)


def signals(
    *,
    activation: str,
    generator: Generator,
    sigma: float | None = None,
    initialiser: str | Initialiser | None = None,
    depth: Whole = 10,
    width: Whole = 500,
    batch: Whole = 100,
    residual: bool = False,
) -> list[Signal]:
    """Return the signals at each layer of a chain y = f(W x), or y = x + f(W x) with `residual`, forward and backward.

    Inputs are `batch` draws of N(0, 1) in `width` units; the derivative of the loss by the last outputs is N(0, 1) as
    well, so that messages are relative to it. W is drawn from N(0, sigma^2) or by an initialiser (name or function):
    pass one of the two. Lecture 001, Parameter Initialization (ten tanh layers of 500 units) and Xavier and He
    Initialization; 002, Skip Connection. Raises InputError for an unknown activation or initialiser, numbers below 1,
    and signals that explode beyond the range of float64.
    """
    function, weight_initialiser = _activation(activation), _weight_initialiser(sigma, initialiser)
    layers, shape = whole("depth", depth), (whole("batch", batch), whole("width", width))
    try:
        with np.errstate(over="raise", invalid="raise"):
            return _pass(function, weight_initialiser, layers, shape, residual, generator)
    except (FloatingPointError, TooLargeError):
        raise InputError(
            "depth",
            f"the signal explodes beyond the range of float64 in depth={layers} layers of width={shape[1]}",
            "use smaller weights or fewer layers",
        ) from None


def _products(factors: Float64[np.ndarray, "n"]) -> tuple[Float64[np.ndarray, "n"], Int64[np.ndarray, "n"]]:
    """Return the products of the first 1, 2, ... n factors as mantissas and exponents, which stay in range."""
    mantissas, exponents = np.empty(len(factors)), np.empty(len(factors), dtype=np.int64)
    product, exponent = 1.0, 0
    for index, factor in enumerate(factors.tolist()):
        mantissa, shift = math.frexp(factor)
        product, carry = math.frexp(product * mantissa)
        exponent += shift + carry
        mantissas[index], exponents[index] = product, exponent
    return mantissas, exponents


def _scaled(mantissas: Float64[np.ndarray, "n"], exponents: Int64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """Return mantissas * 2^exponents, inf or 0 beyond the range of float64."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.ldexp(mantissas, np.clip(exponents, -9999, 9999).astype(np.int32)) + 0.0)  # not -0


def _pass(
    function: Activation,
    initialiser: Initialiser,
    depth: int,
    shape: tuple[int, int],
    residual: bool,
    generator: Generator,
) -> list[Signal]:
    weights, inputs, sums = [], [], []
    x: Matrix = generator.standard_normal(shape)
    message: Matrix = generator.standard_normal(shape)
    for _ in range(depth):
        weights.append(initialiser((shape[1], shape[1]), generator))
        inputs.append(x)
        sums.append(fully_connected.forward(x, weights[-1]))
        y = function.forward(sums[-1])
        x = x + y if residual else y
    outputs = [*inputs[1:], x]
    statistics = []
    for index in reversed(range(depth)):
        sum_message = function.backward(message, sums[index])
        slope = function.backward(np.ones(shape), sums[index])
        signal = Signal(
            layer=index + 1,
            activation=float(outputs[index].std()),
            saturated=float((slope < SATURATED * function.steepest).mean()),
            message=float(message.std()),
            gradient=float(fully_connected.gradient(sum_message, inputs[index]).weight.std()),
        )
        statistics.append(signal)
        input_message = fully_connected.backward(sum_message, weights[index])
        message = message + input_message if residual else input_message
    return statistics[::-1]


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise InputError(
            "activation", f"{name!r} is not known{nearest(name, ACTIVATIONS)}", f"give one of {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]


def _weight_initialiser(sigma: float | None, initialiser: str | Initialiser | None) -> Initialiser:
    if (sigma is None) == (initialiser is None):
        raise InputError(
            "sigma", f"got sigma={sigma} and initialiser={initialiser}", "give one of the two, sigma or initialiser"
        )
    if sigma is not None:
        return partial(gaussian, sigma=sigma)
    assert initialiser is not None  # checked above
    return by_name(initialiser) if isinstance(initialiser, str) else initialiser
