"""Gradient clipping (lectures 000 and 003, Convergence - Gradient Clipping).

    g <- g            if |g| <= c
         c g / |g|    if |g| > c

per weight, per variable, or for the gradient as a whole. `gradients` holds one array for each variable: NumPy arrays
or PyTorch tensors, computed on with the operators that both have, in their own precision, and never modified in place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from convworks.errors import InputError
from convworks.ops.whole import entries

G = TypeVar("G")


class _Size(NamedTuple):
    """A Euclidean norm as largest * relative: squares of large and of tiny values stay representable."""

    largest: float
    relative: float

    @property
    def norm(self) -> float:
        return self.largest * self.relative


def by_value(gradients: Sequence[G], limit: float) -> tuple[G, ...]:
    """Clip each value to [-limit, limit] ("per weight"; unlike the other two, this changes the direction).

    Raises InputError for a limit that is not positive and for gradients that are no arrays or not finite.
    """
    _check_limit(limit)
    return tuple(_clip_values(g, _largest(g, index), limit) for index, g in enumerate(_arrays(gradients)))


def by_variable_norm(gradients: Sequence[G], limit: float) -> tuple[G, ...]:
    """Scale each array of the gradient to a Euclidean norm of at most `limit` ("per variable").

    Raises InputError for a limit that is not positive and for gradients that are no arrays or not finite.
    """
    _check_limit(limit)
    arrays = _arrays(gradients)
    return tuple(_shrink(g, size, size, limit) for g, size in zip(arrays, _sizes(arrays), strict=True))


def by_global_norm(gradients: Sequence[G], limit: float) -> tuple[G, ...]:
    """Scale the gradient to a Euclidean norm of at most `limit`; its direction is preserved ("as a whole").

    Raises InputError for a limit that is not positive and for gradients that are no arrays or not finite.
    """
    _check_limit(limit)
    arrays = _arrays(gradients)
    sizes = _sizes(arrays)
    total = _total(sizes)
    return tuple(_shrink(g, size, total, limit) for g, size in zip(arrays, sizes, strict=True))


def global_norm(gradients: Sequence[G]) -> float:
    """Return |g|, the square root of the sum of the squares of all values of all arrays; 0 for no values.

    Raises InputError for gradients that are no arrays or not finite.
    """
    return _total(_sizes(_arrays(gradients))).norm


def _arrays(gradients: Sequence[Any]) -> tuple[Any, ...]:
    """Return the gradients of the variables, or raise InputError unless they are a sequence of arrays."""
    if hasattr(gradients, "shape"):
        raise InputError(
            "gradients", "is one array and must be a sequence, an array for each variable", "write [gradient]"
        )
    arrays = entries(gradients)
    if arrays is None:
        raise InputError("gradients", f"is {gradients!r} and must be a sequence of arrays", "write [gradient]")
    for index, g in enumerate(arrays):
        if not hasattr(g, "shape"):
            remedy = "leave out variables without a gradient" if g is None else "make it one with numpy.asarray"
            raise InputError(f"gradients[{index}]", f"is {type(g).__name__} and must be an array or a tensor", remedy)
    return arrays


def _clip_values(g: Any, largest: float, limit: float) -> Any:
    # Without clipping within the limit, which may be too large for the array's type.
    return g * 1.0 if largest <= limit else g.clip(-limit, limit)


def _shrink(g: Any, own: _Size, whole: _Size, limit: float) -> Any:
    if whole.norm <= limit or not own.largest:
        return g * 1.0
    # limit * g / norm, in this order: the norm may be beyond the range of the array's type, the largest value is not
    return g / own.largest * (own.largest / whole.largest * (limit / whole.relative))


def _sizes(gradients: Sequence[Any]) -> list[_Size]:
    sizes = []
    for index, g in enumerate(gradients):
        largest = _largest(g, index)
        # The mean, not the sum: in half precision the sum may be beyond the range, and the mean is taken in single.
        squares = ((g / largest) ** 2).mean().item() * math.prod(g.shape) if largest else 0.0
        sizes.append(_Size(largest, math.sqrt(squares)))
    return sizes


def _total(sizes: Sequence[_Size]) -> _Size:
    largest = max((size.largest for size in sizes), default=0.0)
    if not largest:
        return _Size(0.0, 0.0)
    return _Size(largest, math.hypot(*(size.largest / largest * size.relative for size in sizes)))


def _largest(g: Any, index: int) -> float:
    value = float(abs(g).max().item()) if math.prod(g.shape) else 0.0
    if not math.isfinite(value):
        raise InputError(
            f"gradients[{index}]",
            f"a gradient is not finite (largest absolute value {value})",
            "leave this step out, or lower the learning rate: clipping cannot mend it",
        )
    return value


def _check_limit(limit: float) -> None:
    if not limit > 0:
        raise InputError("limit", f"limit={limit} must be greater than 0", "give a positive number")
