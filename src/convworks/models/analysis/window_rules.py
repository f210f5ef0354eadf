"""Receptive fields of convolutions, pooling, interpolation and padding."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from convworks.errors import InputError
from convworks.models.analysis import torch_functions as known
from convworks.models.analysis.field_call import Call, Fields, over_map, refuse
from convworks.models.analysis.torch_functions import arguments
from convworks.ops.receptive import Field, through_up_window, through_window


def _check_window(call: Call) -> None:
    """Raise InputError if window and map differ in rank, or the weights depend on the image."""
    (tensor,) = arguments(call.args, call.kwargs, input=0)
    if f"{len(call.fields)}d" not in call.name or len(call.inputs) > 1 or tensor is not call.tensor:
        refuse(call)


def _windows(call: Call, through: Callable[..., Field], *options: Any) -> Fields:
    rank = len(call.fields)
    rows = zip(call.fields, *(_each(option, rank) for option in options), strict=True)
    return tuple(through(f, kernel_size=k, stride=s, before=p, dilation=d) for f, k, s, p, d in rows)


def _convolution(call: Call) -> Fields:
    _check_window(call)
    weight, stride, padding, dilation = arguments(call.args, call.kwargs, weight=1, stride=3, padding=4, dilation=5)
    kernel, dilation = tuple(weight.shape[2:]), dilation or 1
    if isinstance(padding, str):
        spread = [d * (k - 1) for k, d in zip(kernel, _each(dilation, len(kernel)), strict=True)]
        padding = [s // 2 if padding == "same" else 0 for s in spread]
    return _windows(call, through_window, kernel, stride or 1, padding or 0, dilation)


def _up_convolution(call: Call) -> Fields:
    _check_window(call)
    weight, stride, padding, dilation = arguments(call.args, call.kwargs, weight=1, stride=3, padding=4, dilation=7)
    return _windows(call, through_up_window, tuple(weight.shape[2:]), stride or 1, padding or 0, dilation or 1)


def _pool(call: Call) -> Fields:
    _check_window(call)
    kernel, stride, padding, dilation = arguments(
        call.args, call.kwargs, kernel_size=1, stride=2, padding=3, dilation=4
    )
    dilation = (dilation or 1) if call.name in known.MAX_POOLS else 1
    return _windows(call, through_window, kernel, stride or kernel, padding or 0, dilation)


def _adaptive_pool(call: Call) -> Fields:
    _check_window(call)
    lengths = call.output.shape[-len(call.fields) :]
    return tuple(_adapt(f, n, m) for f, n, m in zip(call.fields, call.size, lengths, strict=True))


def _adapt(field: Field, size: int, output: int) -> Field:
    """Return the field after adaptive pooling, whose windows overlap unless the sizes divide."""
    if size % output == 0:
        return through_window(field, kernel_size=size // output, stride=size // output)
    windows = [(unit * size // output, -(-(unit + 1) * size // output)) for unit in range(output)]
    spans = [through_window(field, kernel_size=end - first, before=-first).span(0) for first, end in windows]
    return Field(spans=tuple(spans), step=math.ceil(field.stride * size))


def _interpolation(call: Call) -> Fields:
    """Return the fields after nearest or linear interpolation by a whole factor."""
    scale, mode, corners = arguments(call.args, call.kwargs, scale_factor=2, mode=3, align_corners=4)
    lengths, rank, fields = call.output.shape[-len(call.fields) :], len(call.fields), []
    scales = (None,) * rank if scale is None else (scale,) * rank if isinstance(scale, int | float) else tuple(scale)
    for field, size, length, requested in zip(call.fields, call.size, lengths, scales, strict=True):
        factor, remainder = divmod(length, size)
        mode = mode or "nearest"
        linear = mode in ("linear", "bilinear", "trilinear")
        if (
            remainder
            or corners
            or (requested or factor) != factor
            or not (linear or mode in ("nearest", "nearest-exact"))
        ):
            mode_text = f"{mode!r}{' with align_corners' if corners else ''}"
            raise InputError(
                "receptive field",
                f"interpolation {mode_text} from {size} to {length} is not known",
                "use a whole factor, align_corners=False",
            )
        # Linear: unit i is at (i + 1/2) / factor - 1/2 and reads the two nearest positions.
        kernel, before = (2 * factor - factor % 2, factor // 2) if linear else (factor, 0)
        fields.append(through_up_window(field, kernel_size=kernel, stride=factor, before=before))
    return tuple(fields)


def _pad(call: Call) -> Fields:
    """Return the fields after padding: repeated values count as outside, circular padding as the whole axis."""
    pads, mode = arguments(call.args, call.kwargs, pad=1, mode=2)
    rank = len(call.fields)
    befores = (tuple(pads)[::2] + (0,) * rank)[:rank][::-1]
    afters = (tuple(pads)[1::2] + (0,) * rank)[:rank][::-1]
    rows = zip(call.fields, call.size, befores, afters, strict=True)
    return tuple(
        over_map(f, n) if mode == "circular" and (b or a) else through_window(f, kernel_size=1, before=b)
        for f, n, b, a in rows
    )


def _each(value: Any, rank: int) -> tuple[int, ...]:
    """Return one number per axis; PyTorch applies a single one in a tuple to all."""
    entries = (value,) if isinstance(value, int) else tuple(value)
    return entries * rank if len(entries) == 1 else entries


RULES: Mapping[str, Callable[[Call], Fields]] = {
    **dict.fromkeys(known.CONVOLUTIONS, _convolution),
    **dict.fromkeys(known.UP_CONVOLUTIONS, _up_convolution),
    **dict.fromkeys(known.MAX_POOLS | known.AVERAGE_POOLS, _pool),
    **dict.fromkeys(known.ADAPTIVE_POOLS, _adaptive_pool),
    "interpolate": _interpolation,
    "pad": _pad,
}
