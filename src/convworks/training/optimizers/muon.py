"""Muon: momentum orthogonalised by Newton-Schulz iteration (Jordan et al. 2024)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from convworks.training.optimizers.config import Muon

# x -> a x + b x^3 + c x^5 on the singular values: steep at 0, so that small ones grow in few iterations; they converge
# to between about 0.7 and 1.2, which suffices.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def muon(
    config: Muon,
    values: Sequence[Tensor],
    gradients: Sequence[Tensor],
    momentum: Sequence[Tensor],
    rate: float,
    decay: float,
) -> None:
    """Update each weight [out, ...] in place by its orthogonalised momentum; weight decay is decoupled."""
    for value, gradient, average in zip(values, gradients, momentum, strict=True):
        average.lerp_(gradient, 1 - config.momentum)
        direction = gradient.lerp(average, config.momentum) if config.nesterov else average
        matrix = direction.reshape(len(value), -1)
        scale = math.sqrt(max(1.0, matrix.shape[0] / matrix.shape[1]))
        if config.normalise:
            value.mul_(math.sqrt(len(value)) / value.norm().clamp(min=1e-12))
        value.mul_(1 - rate * decay)
        value.add_(orthogonalised(matrix, config.iterations).reshape(value.shape), alpha=-rate * scale)


def orthogonalised(matrix: Float[Tensor, "m n"], iterations: int) -> Float[Tensor, "m n"]:
    """Return a matrix with the same singular vectors and singular values near 1; a zero matrix stays zero."""
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)  # no singular value is above 1 now
    # Each iteration multiplies x by a polynomial of its Gram matrix. The polynomials are small, symmetric, and commute:
    # their product is computed first, and the wide matrix is multiplied once.
    gram, factor = x @ x.T, torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(iterations):
        polynomial = _B * gram + _C * gram @ gram
        polynomial.diagonal().add_(_A)
        factor, gram = polynomial @ factor, polynomial @ gram @ polynomial
    x = factor @ x
    result: Tensor = x.T if matrix.shape[0] > matrix.shape[1] else x
    return result
