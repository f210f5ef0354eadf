"""Instance normalisation (the figure of lecture 003, Batch Normalization): each channel of each image by itself.

    z[b, c, i] = scale[c] * hat[b, c, i] + shift[c],   hat = (x - mean[b, c]) / sqrt(variance[b, c] + epsilon)

Mean and variance run over space: group normalisation with as many groups as channels, whose messages it therefore
shares. Shapes: images [batch, channel, *size] or channels last, scale and shift [channel].
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, Layout, images
from convworks.ops.normalisation import group_normalisation
from convworks.ops.normalisation.normalise import Gradient


def forward(
    x: ArrayLike, scale: ArrayLike, shift: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first"
) -> Array:
    """Return z by the formula above.

    Raises InputError for wrong ranks, another number of scales or shifts than channels, values that are not finite,
    and an epsilon that is negative, or 0 where all values of a channel are equal.
    """
    groups = images("x", x, layout).shape[1]
    return group_normalisation.forward(x, scale, shift, groups=groups, epsilon=epsilon, layout=layout)


def backward(
    message: ArrayLike, x: ArrayLike, scale: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first"
) -> Array:
    """Return the message at the input.

    delta_x = scale / sqrt(variance + epsilon) * (message - mean of message - hat * mean of message * hat), with means
    over space.
    """
    groups = images("x", x, layout).shape[1]
    return group_normalisation.backward(message, x, scale, groups=groups, epsilon=epsilon, layout=layout)


def gradient(message: ArrayLike, x: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first") -> Gradient:
    """Return the parameter gradient: over batch and space, the sums of message * hat and of message."""
    groups = images("x", x, layout).shape[1]
    return group_normalisation.gradient(message, x, groups=groups, epsilon=epsilon, layout=layout)
