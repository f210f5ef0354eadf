"""Shared by sliding operations: all windows of an image at once (im2col), and the adjoint (col2im)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from convworks.ops.arrays import Array
from convworks.ops.shape import Axis


def windows(x: Array, axes: Sequence[Axis], fill: float = 0.0) -> Array:
    """Return [batch, channel, *kernel, *output]: entry [b, c, *t, *o] is the input at tap t of the window at o.

    It is a view of the padded images; only padding copies. Padding and overhang are filled with `fill`.
    """
    ends = [(0, 0), (0, 0), *((axis.before, axis.after + axis.overhang) for axis in axes)]
    padded = np.pad(x, ends, constant_values=fill) if any(map(any, ends)) else x
    steps = padded.strides[2:]
    return np.lib.stride_tricks.as_strided(
        padded,
        (*x.shape[:2], *(axis.kernel_size for axis in axes), *(axis.output for axis in axes)),
        (
            *padded.strides[:2],
            *(step * axis.dilation for step, axis in zip(steps, axes, strict=True)),
            *(step * axis.stride for step, axis in zip(steps, axes, strict=True)),
        ),
        writeable=False,
    )


def fold(parts: Float64[np.ndarray, "b c *kernel_and_output"], axes: Sequence[Axis]) -> Array:
    """Add the entry of each tap of each window to its input position: the adjoint of `windows`."""
    rank = len(axes)
    padded = [axis.before + axis.size + axis.after + axis.overhang for axis in axes]
    total = np.zeros((*parts.shape[:2], *padded))
    for tap in np.ndindex(parts.shape[2 : 2 + rank]):  # a loop over taps, not over pixels
        source = tuple(
            slice(t * axis.dilation, t * axis.dilation + (axis.output - 1) * axis.stride + 1, axis.stride)
            for t, axis in zip(tap, axes, strict=True)
        )
        total[:, :, *source] += parts[:, :, *tap]
    inside = tuple(slice(axis.before, axis.before + axis.size) for axis in axes)
    return np.ascontiguousarray(total[:, :, *inside])


def columns(x: Array, axes: Sequence[Axis], groups: int) -> Float64[np.ndarray, "b g taps places"]:
    """Return every window as a column, for matrix products: [batch, group, channel * kernel, output], flattened."""
    batch, channels = x.shape[:2]
    taps = channels // groups * math.prod(axis.kernel_size for axis in axes)
    return windows(x, axes).reshape(batch, groups, taps, math.prod(axis.output for axis in axes))
