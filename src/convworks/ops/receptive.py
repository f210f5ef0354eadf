"""Receptive fields: which input positions a unit sees (lecture 001, Convolutional Neural Networks).

Along a chain of windows the closed form is

    size   = 1 + sum over layers of dilation * (kernel_size - 1) * (product of the strides before)
    stride = product of the strides

`Field` holds more than these two numbers, so that branches, shortcuts and up-convolutions come out exactly: the span
of every unit. Positions are those of the unpadded input; spans reach into the padding, where they are negative or
beyond the end.
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
    """What the units of a map see along one axis.

    `spans` are the first and last input position of unit 0, 1, ... of one period (None: nothing); a period later the
    same spans come again, `step` positions further.
    """

    spans: tuple[Span | None, ...]
    step: int

    def span(self, unit: int) -> Span | None:
        """Return the first and the last input position that a unit sees."""
        turns, phase = divmod(unit, len(self.spans))
        span = self.spans[phase]
        return span and (span[0] + turns * self.step, span[1] + turns * self.step)

    @property
    def size(self) -> int:
        """Positions from the first to the last that a unit sees, of the unit that sees most."""
        return max((last - first + 1 for first, last in filter(None, self.spans)), default=0)

    @property
    def stride(self) -> Fraction:
        """Input positions from one unit to the next; a fraction after up-convolutions."""
        return Fraction(self.step, len(self.spans))


#: The input itself: each unit sees its own position.
PIXELS = Field(spans=((0, 0),), step=1)


def through_window(field: Field, *, kernel_size: int, stride: int = 1, dilation: int = 1, before: int = 0) -> Field:
    """Return the field behind a window (convolution, pooling): unit o reads o * stride + t * dilation - before.

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
    """Return the field behind an up-convolution: unit i reads all o with o * stride + t * dilation - before = i.

    Raises InputError for a kernel size, stride or dilation below 1.
    """
    if min(kernel_size, stride, dilation) < 1:
        along_chain([(kernel_size, stride, dilation)])
    spans = []
    for unit in range(len(field.spans) * stride):
        reads = [divmod(unit + before - tap * dilation, stride) for tap in range(kernel_size)]
        spans.append(_cover(field.span(place) for place, rest in reads if rest == 0))
    return _shortest(Field(spans=tuple(spans), step=field.step))


def together(fields: Sequence[Field]) -> Field:
    """Return the field of units that see what all of `fields` see: a sum of branches, or their concatenation.

    Raises InputError where the strides of the branches differ.
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

    Raises InputError for what is no whole number of 1 or more.
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
    seen = [span for span in spans if span is not None]
    return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None


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
