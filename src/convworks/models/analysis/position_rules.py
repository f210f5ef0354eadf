"""Receptive fields of functions that work elementwise, along whole axes, or on the shape only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convworks.errors import InputError
from convworks.models.analysis import torch_functions as known
from convworks.models.analysis.field_call import Call, Fields, everywhere, over_map, refuse
from convworks.models.analysis.torch_functions import arguments
from convworks.ops.receptive import through_window, together


def beside(inputs: Sequence[tuple[Tensor, Fields]], output: Tensor) -> Fields | None:
    """Return the fields of units that read several tensors at their own position; None if the positions differ.

    A broadcast position covers everything, and so does anything combined with a field that covers everything.
    """
    if len(inputs) == 1 and inputs[0][0].shape == output.shape:
        return inputs[0][1]
    combined, rank = [], len(inputs[0][1])
    for axis in range(-rank, 0):
        length, fields = output.shape[axis] if output.ndim >= rank else 0, []
        for tensor, tensor_fields in inputs:
            input_length = tensor.shape[axis] if tensor.ndim >= rank else 0
            if everywhere(tensor_fields[axis]) or input_length == length:
                fields.append(tensor_fields[axis])
            elif input_length == 1:
                fields.append(over_map(tensor_fields[axis], 1))
            else:
                return None
        if length == 1 or any(map(everywhere, fields)):
            same = len({field.stride for field in fields}) == 1
            fields = fields if same else [over_map(field, length) for field in fields]
        combined.append(together(fields))
    return tuple(combined)


def slices(index: Any, ndim: int, rank: int) -> tuple[slice, ...] | None:
    """Return the slices of the last `rank` axes in an index of a tensor; None if they are not slices."""
    entries = list(index) if isinstance(index, tuple) else [index]
    indexed_axes = sum(entry is not None and entry is not Ellipsis for entry in entries)
    ellipsis = next((position for position, entry in enumerate(entries) if entry is Ellipsis), len(entries))
    entries[ellipsis : ellipsis + 1] = [slice(None)] * (ndim - indexed_axes)
    spatial = entries[len(entries) - rank :]
    leading = entries[: len(entries) - rank]
    masks = any(isinstance(entry, Tensor) and (entry.ndim != 1 or entry.dtype == torch.bool) for entry in leading)
    return None if masks or not all(isinstance(entry, slice) for entry in spatial) else tuple(spatial)


def _elementwise(call: Call) -> Fields:
    fields = beside(call.inputs, call.output)
    return refuse(call) if fields is None else fields


def _spread(call: Call, over: Sequence[int]) -> Fields:
    """Return the fields if every unit depends on all positions along some axes (negative indices)."""
    rows = enumerate(zip(call.fields, call.size, strict=True), start=-len(call.fields))
    fields = tuple(over_map(f, n) if axis in over else f for axis, (f, n) in rows)
    if all(map(everywhere, fields)):
        return fields
    for axis, field in enumerate(fields, start=-len(fields)):
        lost = call.output.ndim < call.tensor.ndim and any(-len(fields) <= entry for entry in over)
        if lost or not (everywhere(field) or call.output.shape[axis] == call.tensor.shape[axis]):
            refuse(call)
    return fields


def _norm(call: Call) -> Fields:
    return _spread(call, known.normalised_axes(call.name, len(call.fields), call.args, call.kwargs))


def _along_axes(call: Call) -> Fields:
    if len(known.tensors(call.args, call.kwargs)) > 1:  # torch.max(x, y)
        return _elementwise(call)
    return _spread(call, known.axes(call.name, call.tensor, call.args, call.kwargs))


def _gated(call: Call) -> Fields:
    return _elementwise(call) if call.output.shape[-len(call.fields) :] == call.size else refuse(call)


def _matrix_product(call: Call) -> Fields:
    """Return the fields of a product: a matrix on the right mixes the last axis, one on the left the last but one."""
    left, right = call.args[:2] if call.name != "rmatmul" else call.args[1::-1]
    all_axes = len(call.inputs) > 1 or min(left.ndim, right.ndim) < 2
    return _spread(call, range(-call.tensor.ndim, 0) if all_axes else (-2,) if call.tensor is right else (-1,))


def _linear(call: Call) -> Fields:
    return refuse(call) if len(call.inputs) > 1 else _spread(call, (-1,))


def _reshape(call: Call) -> Fields:
    """Return the fields unchanged if the last axes are unchanged; else every unit depends on the whole map."""
    unchanged = call.output.shape[-len(call.fields) :] == call.tensor.shape[-len(call.fields) :]
    return call.fields if unchanged else tuple(over_map(f, n) for f, n in zip(call.fields, call.size, strict=True))


def _permutation(call: Call) -> Fields:
    rank, ndim = len(call.fields), call.tensor.ndim
    # A tensor whose axes have distinct lengths shows the permutation.
    probe = torch.empty(*range(2, ndim + 2), device="meta")
    func = getattr(torch.Tensor, call.name)
    moved = func(probe, *call.args[1:], **call.kwargs) if callable(func) else getattr(probe, call.name)
    return call.fields if moved.shape[-rank:] == probe.shape[-rank:] else refuse(call)


def _concatenation(call: Call) -> Fields:
    dim = arguments(call.args, call.kwargs, dim=1)[0] or call.kwargs.get("axis", 0)
    rank = len(call.fields)
    return refuse(call) if -rank <= (dim if dim < 0 else dim - call.output.ndim) else _elementwise(call)


def _index(call: Call) -> Fields:
    cuts = slices(call.args[1], call.tensor.ndim, len(call.fields))
    if cuts is None or len(call.inputs) > 1:
        raise InputError("receptive field", f"the index {call.args[1]} of a map is not known", "use slices")
    return _cut(call, [cut.indices(n) for cut, n in zip(cuts, call.size, strict=True)])


def _cut(call: Call, ranges: Sequence[tuple[int, int, int]]) -> Fields:
    rows = zip(call.fields, ranges, strict=True)
    return tuple(through_window(f, kernel_size=1, stride=step, before=-start) for f, (start, _, step) in rows)


def _part(call: Call) -> Fields:
    """Return the fields of a part of a map that is split along an axis."""
    argument = known.SPLITS[call.name]
    axis = call.args[argument] if argument < len(call.args) else call.kwargs.get("dim", 0)
    axis = axis if axis < 0 else axis - call.tensor.ndim
    if axis < -len(call.fields):
        return call.fields
    if call.name == "unbind":
        refuse(call)
    start = sum(output.shape[axis] for output in call.outputs[: call.output_index])
    starts = [start if entry == axis else 0 for entry in range(-len(call.fields), 0)]
    return _cut(call, [(start, 0, 1) for start in starts])


RULES: Mapping[str, Callable[[Call], Fields]] = {
    **dict.fromkeys(known.ELEMENTWISE, _elementwise),
    **dict.fromkeys(known.NORMS, _norm),
    **dict.fromkeys(known.ALONG_AXES, _along_axes),
    **dict.fromkeys(known.RESHAPES, _reshape),
    **dict.fromkeys(known.PERMUTATIONS, _permutation),
    **dict.fromkeys(known.SPLITS, _part),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack"), _concatenation),
    **dict.fromkeys(("matmul", "rmatmul"), _matrix_product),
    "glu": _gated,
    "linear": _linear,
    "getitem": _index,
}
