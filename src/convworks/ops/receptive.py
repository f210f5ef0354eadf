"""Receptive fields: the input positions that a unit depends on (lecture 001, Convolutional Neural Networks).

Along a chain of windows the closed form is

    size   = 1 + sum over layers of dilation * (kernel_size - 1) * (product of the strides before)
    stride = product of the strides

`Field` holds more than these two numbers, the span of every unit, so that branches, shortcuts and up-convolutions are
exact. Positions are those of the unpadded input; spans extend into the padding, where they are negative or beyond the
end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from convworks.errors import InputError
from convworks.ops.whole import Whole, whole

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Field:
    """The receptive fields of the units of a map along one axis.

    `spans` are the first and last input positions of units 0, 1, ... of one period (None: nothing); the spans of the
    next period are the same, shifted by `step` positions.
    """

    spans: tuple[Span | None, ...]
    step: int

    def span(self, unit: int) -> Span | None:
        """Return the first and last input position in the receptive field of a unit."""
        periods, phase = divmod(unit, len(self.spans))
        span = self.spans[phase]
        return span and (span[0] + periods * self.step, span[1] + periods * self.step)

    @property
    def size(self) -> int:
        """Return the largest size of the receptive field of a unit, from first to last position."""
        return max((last - first + 1 for first, last in filter(None, self.spans)), default=0)

    @property
    def stride(self) -> Fraction:
        """Return the distance between the fields of neighbouring units; a fraction after up-convolutions."""
        return Fraction(self.step, len(self.spans))


#: The input itself: each unit is its own position.
PIXELS = Field(spans=((0, 0),), step=1)


def through_window(field: Field, *, kernel_size: int, stride: int = 1, dilation: int = 1, before: int = 0) -> Field:
    """Return the field after a window (convolution, pooling): unit o reads o * stride + t * dilation - before.

    Raises InputError for a kernel size, stride or dilation below 1.
    """
    if min(kernel_size, stride, dilation) < 1:
        along_chain([(kernel_size, stride, dilation)])
    period = len(field.spans) // math.gcd(len(field.spans), stride)
    spans = (
        _cover(field.span(unit * stride + tap * dilation - before) for tap in range(kernel_size))
        for unit in range(period)
    )
    return _shortest(Field(spans=tuple(spans), step=field.step * stride * period // len(field.spans)))


def through_up_window(field: Field, *, kernel_size: int, stride: int = 1, dilation: int = 1, before: int = 0) -> Field:
    """Return the field after an up-convolution: unit i reads all o with o * stride + t * dilation - before = i.

    Raises InputError for a kernel size, stride or dilation below 1.
    """
    if min(kernel_size, stride, dilation) < 1:
        along_chain([(kernel_size, stride, dilation)])
    spans = []
    for unit in range(len(field.spans) * stride):
        reads = [divmod(unit + before - tap * dilation, stride) for tap in range(kernel_size)]
        spans.append(_cover(field.span(position) for position, rest in reads if rest == 0))
    return _shortest(Field(spans=tuple(spans), step=field.step))


def together(fields: Sequence[Field]) -> Field:
    """Return the union of fields: that of a sum or concatenation of branches.

    Raises InputError if the strides of the branches differ.
    """
    strides = {field.stride for field in fields}
    if len(strides) != 1:
        listed = ", ".join(map(str, sorted(strides)))
        raise InputError("branches", f"must have one stride, got {listed}", "bring them to the same resolution")
    if len(set(fields)) == 1:
        return fields[0]
    period = math.lcm(*(len(field.spans) for field in fields))
    spans = tuple(_cover(field.span(unit) for field in fields) for unit in range(period))
    return _shortest(Field(spans=spans, step=int(fields[0].stride * period)))


def along_chain(layers: Iterable[tuple[Whole, Whole, Whole]]) -> tuple[int, int]:
    """Return (size, stride) of a chain of (kernel_size, stride, dilation) by the closed form above.

    Raises InputError for anything but positive whole numbers.
    """
    size, jump = 1, 1
    for layer in layers:
        names = ("kernel_size", "stride", "dilation")
        kernel_size, stride, dilation = (whole(name, value) for name, value in zip(names, layer, strict=True))
        size += dilation * (kernel_size - 1) * jump
        jump *= stride
    return size, jump


def _cover(spans: Iterable[Span | None]) -> Span | None:
    """Return the span from the first to the last position of all."""
    present = [span for span in spans if span is not None]
    return (min(first for first, _ in present), max(last for _, last in present)) if present else None


def _shortest(field: Field) -> Field:
    """Return the same field with its shortest period."""
    count = len(field.spans)
    if count == 1:
        return field
    for period in range(1, count):
        if count % period == 0 and field.step * period % count == 0:
            shorter = Field(spans=field.spans[:period], step=field.step * period // count)
            if all(shorter.span(unit) == field.spans[unit] for unit in range(count)):
                return shorter
    return field
