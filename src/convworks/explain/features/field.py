"""The receptive field of a unit: the theoretical one, and how much each pixel of it counts (Luo et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from convworks.errors import InputError, RunError
from convworks.explain.features.layer import Layer, frozen, outputs_at, require_map
from convworks.explain.taps import call_of
from convworks.models.analysis.receptive import receptive_fields
from convworks.ops.receptive import Field

DRAWS = 8
#: A pixel counts if its gradient is at least this fraction of the largest: beyond two standard deviations of a
#: Gaussian it is not (Luo et al. 2016, section 2).
COUNTS = 1 - 0.9545

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class ReceptiveField:
    """The field of a unit: its theoretical spans (top, bottom), (left, right), and the gradient at each pixel.

    Spans reach beyond the border where the network pads; one of a unit that depends on nothing is (0, -1). `gradient`
    is the root of the mean square over channels and colours, averaged over the images.
    """

    unit: tuple[int, ...]
    spans: tuple[Span, ...]
    gradient: Float[Tensor, "h w"]

    @property
    def counting(self) -> tuple[Span, ...]:
        """The spans of the pixels that count: the box of the effective field; empty where none does."""
        counts = self._counts
        if not counts.any():
            return ()
        rows, columns = counts.any(1).nonzero()[:, 0], counts.any(0).nonzero()[:, 0]
        return ((int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1])))

    @property
    def side(self) -> float:
        """The side of a square of as many pixels as count."""
        return math.sqrt(float(self._counts.sum()))

    @property
    def _counts(self) -> Bool[Tensor, "h w"]:
        return (self.gradient >= COUNTS * self.gradient.max()) & (self.gradient > 0)


def fields_at(network: nn.Module, layer: Layer, channels: int, size: Sequence[int]) -> tuple[Field, ...]:
    """Return the theoretical field of the units of a layer along each axis, for images of `size`."""
    module, call = call_of(layer.name)
    if call in (None, 1):  # of a module that is called several times, the first field is known
        for name, fields in receptive_fields(network, channels, size).items():
            if name.removeprefix("stages.") == module:
                return fields
    raise InputError("--tap", f"the receptive field of {layer.name} is not known", "name another layer")


def receptive_field(
    network: nn.Module, layer: Layer, inputs: Float[Tensor, "b c h w"], unit: Sequence[int] | None = None
) -> ReceptiveField:
    """Return the field of a unit (row, column; the central one if None) of a layer for a batch as the network reads it.

    Random signs at the channels of the unit give the mean square of their gradients in a few passes. Raises InputError
    for a layer without a map, and a unit outside it; RunError where the gradient overflows. A unit that is silent for
    the batch, in all channels, has no gradient, and so no pixels that count.
    """
    fields = fields_at(network, layer, inputs.shape[1], tuple(inputs.shape[2:]))
    generator = torch.Generator().manual_seed(0)
    pixels = inputs.detach().requires_grad_()
    with frozen(network), torch.enable_grad():
        output = outputs_at(network, layer, pixels)
        require_map(layer, output)
        y, x = _unit(layer, tuple(output.shape[2:]), unit)
        squares = torch.zeros_like(inputs)
        for draw in range(DRAWS):
            signs = torch.randint(0, 2, output.shape[:2], generator=generator).to(output) * 2 - 1
            value = (output[:, :, y, x] * signs).sum()
            (gradient,) = torch.autograd.grad(value, pixels, retain_graph=draw < DRAWS - 1)
            squares += gradient.square() / DRAWS
    lengths = squares.mean(1).sqrt().mean(0)
    if not bool(lengths.isfinite().all()):
        raise RunError(layer.name, "its gradient is NaN or infinite: it overflows", "name an earlier layer")
    spans = tuple(
        field.span(place) or (0, -1)  # between the steps of an up-convolution
        for field, place in zip(fields, (y, x), strict=True)
    )
    return ReceptiveField(unit=(y, x), spans=spans, gradient=lengths)


def _unit(layer: Layer, size: tuple[int, ...], unit: Sequence[int] | None) -> tuple[int, int]:
    place = tuple(n // 2 for n in size) if unit is None else tuple(unit)
    if len(place) != 2 or not all(0 <= at < n for at, n in zip(place, size, strict=True)):
        reason = f"{','.join(map(str, place))} is not on the map of {layer.name}, which has size {size[0]}x{size[1]}"
        raise InputError("--unit", reason, "give row,column, counted from 0")
    return place[0], place[1]
