"""One unit of a fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import floats, same_shape
from convworks.ops.cross_correlation import check_bias
from convworks.ops.fully_connected import check_layer
from convworks.ops.unit.terms import Terms, beside, grid, index_of, terms
from convworks.ops.whole import Whole


def forward(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, *, unit: Sequence[Whole]) -> Terms:
    """Return the terms of z[unit], (b, d): x[b, c] * weight[d, c] over all inputs c."""
    rows, kernel = check_layer(x, weight)
    b, d = index_of("unit", unit, (len(rows), len(kernel)))
    inputs = grid(range(rows.shape[1]))
    offset = 0.0 if bias is None else float(check_bias(bias, len(kernel))[d])
    return terms(rows[b], kernel[d], beside([b], inputs), beside([d], inputs), offset)


def backward(message: ArrayLike, weight: ArrayLike, *, position: Sequence[Whole]) -> Terms:
    """Return the terms of the message at x[position], (b, c): message[b, d] * weight[d, c] over all outputs d."""
    delta, kernel = floats("message", message, "batch out"), floats("weight", weight, "out in")
    same_shape("message", delta, (len(delta), len(kernel)))
    b, c = index_of("position", position, (len(delta), kernel.shape[1]))
    outputs = grid(range(len(kernel)))
    return terms(delta[b], kernel[:, c], beside([b], outputs), np.insert(outputs, 1, c, axis=1))


def gradient(message: ArrayLike, x: ArrayLike, *, index: Sequence[Whole]) -> Terms:
    """Return the terms of d loss / d weight[index], (d, c): x[b, c] * message[b, d] over the batch."""
    delta, rows = floats("message", message, "batch out"), floats("x", x, "batch in")
    same_shape("message", delta, (len(rows), delta.shape[1]))
    d, c = index_of("index", index, (delta.shape[1], rows.shape[1]))
    batch = grid(range(len(rows)))
    return terms(rows[:, c], delta[:, d], np.insert(batch, 1, c, axis=1), np.insert(batch, 1, d, axis=1))
