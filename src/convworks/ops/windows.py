"""What sliding operations share: all windows of an image at once, and the way back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from convworks.ops.arrays import Array
from convworks.ops.shape import Axis


def windows(x: Array, axes: Sequence[Axis], fill: float = 0.0) -> Array:
    """Return [batch, channel, *kernel, *output]: entry [b, c, *t, *o] is what tap t of the window at o sees.

    It is a view of the padded images: nothing is copied but the padding. Padding and overhang hold `fill`.
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
    """Add what belongs to each tap of each window to the input position that it saw: the adjoint of `windows`."""
    rank = len(axes)
    padded = [axis.before + axis.size + axis.after + axis.overhang for axis in axes]
    total = np.zeros((*parts.shape[:2], *padded))
    for tap in np.ndindex(parts.shape[2 : 2 + rank]):  # over the kernel, not over the pixels
        seen = tuple(
            slice(t * axis.dilation, t * axis.dilation + (axis.output - 1) * axis.stride + 1, axis.stride)
            for t, axis in zip(tap, axes, strict=True)
        )
        total[:, :, *seen] += parts[:, :, *tap]
    inside = tuple(slice(axis.before, axis.before + axis.size) for axis in axes)
    return np.ascontiguousarray(total[:, :, *inside])


def columns(x: Array, axes: Sequence[Axis], groups: int) -> Float64[np.ndarray, "b g taps places"]:
    """Return every window as a column: [batch, group, channel * kernel, output], flat, ready for matrix products."""
    batch, channels = x.shape[:2]
    taps = channels // groups * math.prod(axis.kernel_size for axis in axes)
    return windows(x, axes).reshape(batch, groups, taps, math.prod(axis.output for axis in axes))
