"""Initial weights (lectures 000 and 001, Parameter, Xavier and He Initialization; 004, Weight Initialization).

A weight has the shape [out, in] or [out, in / groups, *kernel]. For a linear unit s = sum over i of w_i x_i with
independent factors of mean 0, Var(s) = fan_in Var(w) Var(x): the scale of the weights decides whether a signal keeps
its magnitude through a deep network. Fans are those of the given shape; a convolution with groups is `groups`
parallel convolutions, so initialise the weight of each group separately.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from convworks.errors import InputError, nearest
from convworks.ops.arrays import Array

Initialiser = Callable[[Sequence[int], Generator], Array]


class Fans(NamedTuple):
    """The number of inputs of an output, and the number of outputs of an input."""

    fan_in: int
    fan_out: int


def fans(shape: Sequence[int]) -> Fans:
    """Return the fans of a weight: fan_in = in * kernel positions, fan_out = out * kernel positions.

    For a convolution they are those of a position away from the borders at stride 1. Raises InputError for fewer than
    two axes or an empty one.
    """
    if len(shape) < 2 or min(shape) < 1:
        raise InputError(
            "shape", f"must be [out, in] or [out, in / groups, *kernel], got {list(shape)}", "give the weight's shape"
        )
    positions = math.prod(shape[2:])
    return Fans(fan_in=shape[1] * positions, fan_out=shape[0] * positions)


def constant(shape: Sequence[int], value: float) -> Array:
    """Return the same value everywhere (lectures 000 and 001, Parameter Initialization: for biases, usually 0).

    For weights this does not break the symmetry: all units of a layer get the same message and stay equal.
    """
    if not math.isfinite(value):
        raise InputError("value", f"value={value} must be finite", "give a number")
    return np.full(shape, value, dtype=np.float64)


def zeros(shape: Sequence[int], generator: Generator) -> Array:
    """Return zeros, without using the generator (lecture 001, Parameter Initialization: is it a good idea? No)."""
    fans(shape)
    return constant(shape, 0.0)


def gaussian(shape: Sequence[int], generator: Generator, sigma: float = 0.01) -> Array:
    """Sample N(0, sigma^2), small random numbers (lecture 004, Weight Initialization).

    Raises InputError unless sigma is positive.
    """
    fans(shape)
    return _positive("sigma", sigma) * generator.standard_normal(shape)


def uniform(shape: Sequence[int], generator: Generator) -> Array:
    """Sample U[-1/sqrt(n), 1/sqrt(n)], n = fan_in (lecture 000, Parameter Initialization: "originally")."""
    return _uniform(shape, generator, 1 / fans(shape).fan_in)


def xavier_uniform(shape: Sequence[int], generator: Generator) -> Array:
    """Sample U[-sqrt(6/(m + n)), sqrt(6/(m + n))], m and n being the fans: variance 2 / (m + n).

    Lecture 000, Parameter Initialization (Glorot and Bengio 2010, the "normalized initialization").
    """
    return _uniform(shape, generator, 6 / sum(fans(shape)))


def xavier_normal(shape: Sequence[int], generator: Generator) -> Array:
    """Sample N(0, 2 / (fan_in + fan_out)): a compromise between forward signal and backward message.

    Lecture 001, Xavier Initialization, from the analysis of the backpropagated signal.
    """
    return _normal(shape, generator, 2 / sum(fans(shape)))


def lecun_normal(shape: Sequence[int], generator: Generator) -> Array:
    """Sample N(0, 1 / fan_in), so that Var(s) = Var(x) for linear units.

    This is the first derivation of lecture 001, Xavier Initialization, which the lecture calls Xavier as well.
    """
    return _normal(shape, generator, 1 / fans(shape).fan_in)


def he_normal(shape: Sequence[int], generator: Generator) -> Array:
    """Sample N(0, 2 / fan_in), twice the variance, as ReLU halves the mean square (lecture 001, He)."""
    return _normal(shape, generator, 2 / fans(shape).fan_in)


def he_uniform(shape: Sequence[int], generator: Generator) -> Array:
    """Sample U[-sqrt(6 / fan_in), sqrt(6 / fan_in)]: He's variance 2 / fan_in (lecture 001, He)."""
    return _uniform(shape, generator, 6 / fans(shape).fan_in)


def orthogonal(shape: Sequence[int], generator: Generator, gain: float = 1.0) -> Array:
    """Return a random orthonormal matrix [out, fan_in], times gain: its rows or its columns, whichever are fewer.

    It is Q of the QR decomposition of a Gaussian matrix, with signs such that R has a positive diagonal, which makes
    it uniform over rotations (Haar measure). The length of a signal is preserved if there are at least as many rows
    as columns. Lecture 001, Other Methods: the start of layer-sequential unit variance. Raises InputError
    unless gain is positive.
    """
    columns, rows = fans(shape).fan_in, shape[0]
    _positive("gain", gain)
    q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return np.ascontiguousarray(gain * (q if rows >= columns else q.T)).reshape(shape)


INITIALISERS: dict[str, Initialiser] = {
    "zeros": zeros,
    "gaussian": gaussian,
    "uniform": uniform,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "lecun_normal": lecun_normal,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "orthogonal": orthogonal,
}

#: Prefixes that other libraries use.
SYNONYMS = {"kaiming": "he", "msra": "he", "glorot": "xavier", "normal": "gaussian"}


def by_name(name: str) -> Initialiser:
    """Return an initialiser of the table; an unknown name raises an InputError with suggestions."""
    if name not in INITIALISERS:
        raise InputError(
            "initialiser",
            f"{name!r} is not known{_suggestion(name)}",
            f"initialisers: {', '.join(INITIALISERS)}",
        )
    return INITIALISERS[name]


def _suggestion(name: str) -> str:
    """Return a hint in brackets: synonyms, the members of a family, or the nearest names."""
    family, _, kind = name.lower().strip("_").partition("_")
    if family == "lsuv":
        return " (layer-sequential unit variance is convworks.layers.initialise.unit_variance)"
    prefix = SYNONYMS.get(family, family)
    matches = [other for other in INITIALISERS if f"{other}_".startswith(f"{prefix}_") and other.endswith(kind)]
    return f" (did you mean {' or '.join(map(repr, matches))}?)" if matches else nearest(name, INITIALISERS)


def _normal(shape: Sequence[int], generator: Generator, variance: float) -> Array:
    return math.sqrt(variance) * generator.standard_normal(shape)


def _uniform(shape: Sequence[int], generator: Generator, squared_bound: float) -> Array:
    bound = math.sqrt(squared_bound)
    return generator.uniform(-bound, bound, shape)


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise InputError(name, f"{name}={value} must be positive and finite", "give a number above 0")
    return value
