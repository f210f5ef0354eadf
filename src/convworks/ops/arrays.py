"""The door of every operation: values become finite float64 arrays of the expected rank, channels first."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.errors import InputError

Array = Float64[np.ndarray, "..."]
#: Where the channels stand in images: one of LAYOUTS.
Layout = str

LAYOUTS = ("channels_first", "channels_last")


def floats(name: str, values: ArrayLike, axes: str = "...") -> Array:
    """Return `values` as a float64 array with the named axes (`"batch channel height width"`; `...` for any).

    Raises InputError where they are no numbers, not finite, or have another number of axes.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, f"is no array of numbers ({error})", "give numbers in rows of equal length") from None
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        at = f"[{', '.join(map(str, bad[0]))}]" if array.ndim else ""
        raise InputError(
            f"{name}{at}", f"is {array[tuple(bad[0])]} and all values must be finite", "replace or remove it"
        )
    expected = axes.split()
    if "..." not in expected and array.ndim != len(expected):
        raise InputError(
            name,
            f"must have {len(expected)} axes ({', '.join(expected)}), got shape {array.shape}",
            "reshape it, for example with numpy.expand_dims",
        )
    return array


def images(name: str, values: ArrayLike, layout: Layout, rank: int | None = None) -> Array:
    """Return images as float64 [batch, channel, *size]; `rank` is the number of spatial axes, 1 to 3 if None.

    Raises InputError for an unknown layout and, like `floats`, for wrong ranks and values.
    """
    if layout not in LAYOUTS:
        raise InputError("layout", f"{layout!r} is not known", f"give one of {', '.join(LAYOUTS)}")
    array = floats(name, values)
    spatial = "size" if rank is None else ", ".join(("depth", "height", "width")[-rank:])
    order = f"batch, channel, {spatial}" if layout == "channels_first" else f"batch, {spatial}, channel"
    if array.ndim not in ((3, 4, 5) if rank is None else (rank + 2,)):
        wanted = "3 to 5" if rank is None else str(rank + 2)
        raise InputError(
            name,
            f"must have {wanted} axes ({order}), got shape {array.shape}",
            "add axes of length 1 where one is missing",
        )
    if 0 in array.shape:
        raise InputError(name, f"must not be empty, got shape {array.shape}", "give at least one value along each axis")
    return np.moveaxis(array, -1, 1) if layout == "channels_last" else array


def in_layout(x: Array, layout: Layout) -> Array:
    """Return images that are channels first in `layout`."""
    return np.moveaxis(x, 1, -1) if layout == "channels_last" else x


def same_shape(name: str, message: Array, expected: tuple[int, ...]) -> None:
    """Raise InputError unless a message has the shape of the values that it belongs to."""
    if message.shape != expected:
        raise InputError(
            name, f"must have the shape {expected} of the values it belongs to, got {message.shape}", "check the order"
        )
