"""Shape arithmetic of windows that slide along an axis: size, stride, padding, dilation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convworks.errors import InputError
from convworks.ops.whole import PerAxis, Whole, entries, per_axis, whole, wholes

#: Number of zeros: one for all borders, one per axis, or (before, after) per axis.
Zeros = Whole | Sequence[Whole | tuple[Whole, Whole]]
#: `valid`, `same`, `full`, or numbers of zeros.
Padding = str | Zeros
#: How to treat a remainder: one of ROUNDINGS.
Rounding = str

NAMED = ("valid", "same", "full")
ROUNDINGS = ("floor", "ceil", "exact")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A window sliding along one axis; `before` and `after` are the padding, `output` the number of output positions.

    `overhang` is the number of positions of the last window beyond the padding (with ceil), `leftover` the number of
    last positions that no window reads (with floor).
    """

    size: int
    kernel_size: int
    stride: int
    dilation: int
    before: int
    after: int
    output: int

    @property
    def extent(self) -> int:
        """Return the extent of a window: dilation * (kernel_size - 1) + 1."""
        return self.dilation * (self.kernel_size - 1) + 1

    @property
    def overhang(self) -> int:
        """Return how far the last window extends beyond the padded input."""
        return max(0, -self._rest)

    @property
    def leftover(self) -> int:
        """Return the number of positions at the end of the padded input that no window reads."""
        return max(0, self._rest)

    @property
    def _rest(self) -> int:
        return self.before + self.size + self.after - (self.output - 1) * self.stride - self.extent


def output_size(
    size: Whole, *, kernel_size: Whole, stride: Whole = 1, padding: Padding = 0, dilation: Whole = 1, rounding: Rounding
) -> int:
    """Return (size - extent + before + after) / stride + 1, extent being dilation * (kernel_size - 1) + 1.

    Lecture 001 (Zero Padding), 004 (A closer look at spatial dimensions). `rounding` is how to treat a remainder of the
    division: `exact` raises InputError ("does not fit" in lecture 004), `floor` leaves the last positions unread (as
    convolution layers do), `ceil` adds a window that extends beyond the border, if it starts within the input or the
    padding before it (as some pooling layers do).
    """
    return sliding((size,), kernel_size, stride, padding, dilation, rounding=rounding)[0].output


def up_size(
    size: Whole,
    *,
    kernel_size: Whole,
    stride: Whole = 1,
    padding: Whole | tuple[Whole, Whole] = 0,
    dilation: Whole = 1,
    output_padding: Whole = 0,
) -> int:
    """Return the output size of an up-convolution: (size - 1) stride - before - after + extent + output_padding."""
    inputs, kernel, step = whole("size", size), whole("kernel_size", kernel_size), whole("stride", stride)
    spread, extra = whole("dilation", dilation), whole("output_padding", output_padding, least=None)
    ((before, after),) = resolve_padding((padding,), (kernel,), (spread,))
    if not 0 <= extra < step:
        raise InputError(
            "output_padding",
            f"output_padding={extra} must be at least 0 and below stride={step}",
            "leave it out, or enlarge the stride",
        )
    output = (inputs - 1) * step - before - after + spread * (kernel - 1) + 1 + extra
    if output < 1:
        raise InputError("padding", f"{padding} cuts everything off: {output} positions would be left", "use less")
    return output


def same_padding(kernel_size: Whole, dilation: Whole = 1) -> int:
    """Return the padding per side that preserves the size at stride 1: dilation * (kernel_size - 1) / 2.

    Raises InputError for an odd total padding, which cannot be equal on both sides.
    """
    kernel, spread = whole("kernel_size", kernel_size), whole("dilation", dilation)
    total = spread * (kernel - 1)
    if total % 2:
        raise InputError(
            "padding",
            f"'same' needs {total} zeros with kernel_size={kernel}, dilation={spread}, not to be halved",
            f"use an odd kernel_size, or give ({total // 2}, {total - total // 2}) explicitly",
        )
    return total // 2


def sliding(
    size: Sequence[Whole],
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    *,
    rounding: Rounding = "floor",
) -> tuple[Axis, ...]:
    """Return how a window slides along each axis of an image of `size`.

    Raises InputError for numbers that are not positive, a count other than that of the axes, a window larger than the
    padded input, `same` padding with an even kernel, or (with rounding `exact`) a remainder.
    """
    if rounding not in ROUNDINGS:
        raise InputError("rounding", f"{rounding!r} is not known", f"give one of {', '.join(ROUNDINGS)}")
    sizes = wholes("size", size)
    rank = len(sizes)
    kernels = per_axis("kernel_size", kernel_size, rank)
    dilations = per_axis("dilation", dilation, rank)
    strides = per_axis("stride", stride, rank)
    paddings = resolve_padding(padding, kernels, dilations)
    return tuple(
        _slide(n, k, s, d, *p, rounding)
        for n, k, s, d, p in zip(sizes, kernels, strides, dilations, paddings, strict=True)
    )


def resolve_padding(
    padding: Padding, kernel_size: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each axis."""
    rank = len(kernel_size)
    if isinstance(padding, str):
        if padding not in NAMED:
            raise InputError("padding", f"{padding!r} is not known", f"give {', '.join(NAMED)}, or numbers")
        if padding == "valid":
            return ((0, 0),) * rank
        if padding == "full":
            return tuple((d * (k - 1), d * (k - 1)) for k, d in zip(kernel_size, dilation, strict=True))
        return tuple((same_padding(k, d),) * 2 for k, d in zip(kernel_size, dilation, strict=True))
    axis_paddings = entries(padding)
    borders = (padding,) * rank if axis_paddings is None else axis_paddings
    pairs = [(border, border) if (pair := entries(border)) is None else pair for border in borders]
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        raise InputError(
            "padding",
            f"{padding} must be one number, or one number or (before, after) for each of {rank} axes",
            "write it so",
        )
    numbers = tuple((whole("padding", a, least=None), whole("padding", b, least=None)) for a, b in pairs)
    if any(zeros < 0 for pair in numbers for zeros in pair):
        raise InputError("padding", f"{padding} must not be negative", "crop the input instead")
    return numbers


def _slide(
    size: int, kernel_size: int, stride: int, dilation: int, before: int, after: int, rounding: Rounding
) -> Axis:
    extent, padded = dilation * (kernel_size - 1) + 1, before + size + after
    if extent > padded:
        dilated = f", dilation={dilation}: {extent} positions" if dilation > 1 else ""
        raise InputError(
            "kernel_size",
            f"kernel_size={kernel_size}{dilated} must not exceed the padded input, {before} + {size} + {after}",
            "use a smaller kernel, a larger input or more padding",
        )
    steps, remainder = divmod(padded - extent, stride)
    if remainder and rounding == "exact":
        raise InputError(
            "stride",
            f"kernel_size={kernel_size} at stride={stride} does not fit an input of {before} + {size} + {after}: "
            f"({padded} - {extent}) / {stride} leaves {remainder}",
            "choose a stride that divides, or rounding 'floor' or 'ceil'",
        )
    # With ceil, a window that would start in the padding after the input is left out.
    begins_inside = (steps + 1) * stride < before + size
    extra = 1 if remainder and rounding == "ceil" and begins_inside else 0
    return Axis(
        size=size,
        kernel_size=kernel_size,
        stride=stride,
        dilation=dilation,
        before=before,
        after=after,
        output=steps + 1 + extra,
    )
