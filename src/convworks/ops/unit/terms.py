"""The terms of a sum, each with the index of its value in a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from convworks.errors import InputError
from convworks.ops.arrays import Array
from convworks.ops.shape import Axis
from convworks.ops.whole import Whole, wholes

Positions = Int64[np.ndarray, "_ _"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A sum of n products and a bias.

    Term n is values[n] * weights[n]. `positions[n]` is the index of its value in the tensor that it was read from; in
    padding, indices are negative or beyond the end, and the value is 0. `weight_positions[n]` is the index of its
    weight; it has no columns if weights are not entries of a tensor (the 1 or 0 of a maximum, the 1/n of an average).
    """

    values: Float64[np.ndarray, "n"]
    weights: Float64[np.ndarray, "n"]
    positions: Positions
    weight_positions: Positions
    bias: float = 0.0

    @property
    def products(self) -> Float64[np.ndarray, "n"]:
        """Return the value of each term."""
        return np.asarray(self.values * self.weights)

    @property
    def sum(self) -> float:
        """Return the sum of all products and the bias."""
        return float(self.products.sum()) + self.bias


def terms(
    values: Array, weights: Array, positions: Positions, weight_positions: Positions | None = None, bias: float = 0.0
) -> Terms:
    """Return Terms with copied vectors; without `weight_positions`, these get no columns."""
    no_columns = np.empty((len(positions), 0), dtype=np.int64)
    return Terms(
        values=np.array(values, dtype=np.float64),
        weights=np.array(weights, dtype=np.float64),
        positions=positions,
        weight_positions=no_columns if weight_positions is None else weight_positions,
        bias=bias,
    )


def grid(*ranges: Sequence[int] | range | np.ndarray) -> Positions:
    """Return every combination of one entry from each range, the last one changing fastest."""
    lines = [np.asarray(entries, dtype=np.int64).reshape(-1) for entries in ranges]
    return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, len(lines))


def read(tensor: Array, positions: Positions) -> Array:
    """Return the values at `positions`, 0 outside the tensor."""
    inside = np.all((positions >= 0) & (positions < np.array(tensor.shape)), axis=1)
    safe = np.where(np.expand_dims(inside, 1), positions, 0)
    return np.where(inside, tensor[tuple(safe.T)], 0.0)


def index_of(name: str, index: Sequence[Whole], shape: Sequence[int]) -> tuple[int, ...]:
    """Return an index as a tuple, or raise InputError unless it names one entry of a tensor of `shape`."""
    entries = wholes(name, index, least=None)
    if len(entries) != len(shape) or any(not 0 <= entry < n for entry, n in zip(entries, shape, strict=True)):
        raise InputError(
            name, f"{entries} is not an index of a tensor of shape {tuple(shape)}", "count from 0 along each axis"
        )
    return entries


def tap_output_pairs(axis: Axis, position: int) -> list[tuple[int, int]]:
    """Return the (tap, output position) pairs of the windows that read an input position."""
    matches = []
    for tap in range(axis.kernel_size):
        output_position, rest = divmod(position + axis.before - tap * axis.dilation, axis.stride)
        if rest == 0 and 0 <= output_position < axis.output:
            matches.append((tap, output_position))
    return matches


def window_positions(axis: Axis, output_position: int) -> np.ndarray:
    """Return the input position of each tap of the window at an output position."""
    return output_position * axis.stride - axis.before + axis.dilation * np.arange(axis.kernel_size)


def window(axes: Sequence[Axis], shape: Sequence[int], unit: Sequence[int]) -> Positions:
    """Return the indices inside images of `shape` in the window of a unit (b, c, *o)."""
    b, c, *output_position = unit
    inside = []
    for axis, o in zip(axes, output_position, strict=True):
        positions = window_positions(axis, o)
        inside.append(positions[(positions >= 0) & (positions < axis.size)])
    return beside([b, c], grid(*inside))


def pairs(axes: Sequence[Axis], position: Sequence[int]) -> tuple[Positions, Positions]:
    """Return the taps [n, rank] and output positions [n, rank] of all windows that read a position of an image."""
    lines = [tap_output_pairs(axis, axis_position) for axis, axis_position in zip(axes, position, strict=True)]
    combinations = grid(*[range(len(line)) for line in lines])
    taps = [np.array([tap for tap, _ in line], dtype=np.int64)[combinations[:, n]] for n, line in enumerate(lines)]
    positions = [
        np.array([place for _, place in line], dtype=np.int64)[combinations[:, n]] for n, line in enumerate(lines)
    ]
    return np.stack(taps, axis=1), np.stack(positions, axis=1)


def beside(left: Sequence[int] | Positions, right: Positions) -> Positions:
    """Prepend the same leading indices, or one row of them per row, to `right`."""
    columns = np.broadcast_to(np.asarray(left, dtype=np.int64), (len(right), np.shape(left)[-1]))
    return np.concatenate([columns, right], axis=1)
