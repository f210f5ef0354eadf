"""Input validation of all operations: values become finite float64 arrays of the expected rank, channels first."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from jaxtyping import Float64

from convworks.errors import InputError

Array = Float64[np.ndarray, "..."]
#: The axis order of images: one of LAYOUTS.
Layout = str

LAYOUTS = ("channels_first", "channels_last")

P = ParamSpec("P")
R = TypeVar("R")


class TooLargeError(InputError):
    """Finite values whose result is beyond the range of float64."""

    def __init__(self, name: str = "values") -> None:
        super().__init__(name, "too large: the result is beyond the range of float64, 1.8e308", "scale the values down")


def floats(name: str, values: object, axes: str = "...") -> Array:
    """Return `values` as a float64 array with the named axes (`"batch channel height width"`; `...` for any).

    PyTorch tensors may require gradients. Raises InputError for values that are not real numbers or not finite, and for
    another number of axes.
    """
    array = _numbers(name, values)
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        position = f"[{', '.join(map(str, bad[0]))}]" if array.ndim else ""
        raise InputError(
            f"{name}{position}", f"is {array[tuple(bad[0])]} and all values must be finite", "replace or remove it"
        )
    expected = axes.split()
    if "..." not in expected and array.ndim != len(expected):
        raise InputError(
            name,
            f"must have {len(expected)} axes ({', '.join(expected)}), got shape {array.shape}",
            "reshape it, for example with numpy.expand_dims",
        )
    return array


def images(name: str, values: object, layout: Layout, rank: int | None = None) -> Array:
    """Return images as float64 [batch, channel, *size]; `rank` is the number of spatial axes, 1 to 3 if None.

    Raises InputError for an unknown layout and, like `floats`, for wrong ranks and values.
    """
    check_layout(layout)
    array = floats(name, values)
    spatial = "size" if rank is None else ", ".join(("depth", "height", "width")[-rank:])
    order = f"batch, channel, {spatial}" if layout == "channels_first" else f"batch, {spatial}, channel"
    if array.ndim not in ((3, 4, 5) if rank is None else (rank + 2,)):
        expected_axes = "3 to 5" if rank is None else str(rank + 2)
        raise InputError(
            name,
            f"must have {expected_axes} axes ({order}), got shape {array.shape}",
            "add axes of length 1 where one is missing",
        )
    if 0 in array.shape:
        raise InputError(name, f"must not be empty, got shape {array.shape}", "give at least one value along each axis")
    return np.moveaxis(array, -1, 1) if layout == "channels_last" else array


def check_layout(layout: Layout) -> None:
    """Raise InputError for an unknown layout."""
    if layout not in LAYOUTS:
        raise InputError("layout", f"{layout!r} is not known", f"give one of {', '.join(LAYOUTS)}")


def in_layout(x: Array, layout: Layout) -> Array:
    """Convert channels-first images to `layout`."""
    return np.moveaxis(x, 1, -1) if layout == "channels_last" else x


def same_shape(name: str, message: Array, expected: tuple[int, ...], layout: Layout = "channels_first") -> None:
    """Raise InputError unless a message has the shape of its values.

    Both are channels first; the error reports their shapes in the caller's `layout`.
    """
    if message.shape != expected:
        expected_shape, actual_shape = (_shape_in(shape, layout) for shape in (expected, message.shape))
        raise InputError(
            name,
            f"must have the shape {expected_shape} of the values it belongs to, got {actual_shape}",
            "check the order",
        )


def in_range(function: Callable[P, R]) -> Callable[P, R]:
    """Make an operation raise InputError, without NumPy warnings, if its result is beyond the range of float64.

    Only the result is checked: operations whose infinite intermediate values can become finite must check them.
    """

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(over="ignore", invalid="ignore"):
            result = function(*args, **kwargs)
        parts: Any = result if isinstance(result, tuple) else (result,)
        if not all(np.isfinite(part).all() for part in parts):
            raise TooLargeError
        return result

    return checked


def _numbers(name: str, values: Any) -> Array:
    detach = getattr(values, "detach", None)  # PyTorch tensors have it
    try:
        array = np.asarray(values if detach is None else detach())
        if array.dtype.kind not in "biufO":
            raise TypeError(f"{array.dtype} is not a real number")
        with np.errstate(over="ignore"):  # numbers of wider types become inf, which is reported later
            return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(
            name, f"is not an array of numbers ({error})", "give numbers in rows of equal length"
        ) from None


def _shape_in(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    return (shape[0], *shape[2:], shape[1]) if layout == "channels_last" else shape
