"""The receptive field of every module of a network, followed through branches, shortcuts and up-convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convworks.errors import InputError
from convworks.layers.mode import evaluating
from convworks.models.analysis import position_rules, window_rules
from convworks.models.analysis.field_call import Call, Fields, everywhere, refuse
from convworks.models.analysis.torch_functions import LIKE, NO_VALUES, is_in_place, name_of, tensors
from convworks.ops.receptive import PIXELS, together

#: PyTorch runs these in slow Python on the meta device; they keep the shape.
SLOW = {"batch_norm", "relu"}
RULES: Mapping[str, Callable[[Call], Fields]] = {**window_rules.RULES, **position_rules.RULES}


def receptive_fields(network: nn.Module, channels: int, size: Sequence[int]) -> dict[str, Fields]:
    """Return, for each module by name, the field of its (first) output along each axis of images of `size`.

    The network runs on the meta device; its weights are not changed. Units that depend on a whole map have stride 0:
    normalisation over instances, groups or layers, and everything after it; modules without spatial axes in their
    output (the head of a classifier). Spans beyond the border are padding: zeros contribute nothing, reflection and
    replication repeat inner values; circular padding counts as the whole axis. Raises InputError for images that do
    not fit the network, and for unsupported functions.
    """
    fields_by_name: dict[str, Fields] = {}
    tracker = _FieldTracker()
    handles = [
        module.register_forward_hook(partial(_note, fields_by_name, tracker, name))
        for name, module in network.named_modules()
        if name
    ]
    images = torch.empty(1, channels, *size, device="meta")
    tracker.remember(images, (PIXELS,) * len(size))
    values = {name: tensor.to("meta") for name, tensor in (*network.named_parameters(), *network.named_buffers())}
    try:
        with fitting(channels, size), evaluating(network), torch.no_grad(), tracker:
            torch.func.functional_call(network, values, (images,))
    finally:
        for handle in handles:
            handle.remove()
    return fields_by_name


@contextmanager
def fitting(channels: int, size: Sequence[int]) -> Iterator[None]:
    """Convert the error of a network that cannot read images into an InputError."""
    try:
        yield
    except RuntimeError as error:
        shape = "x".join(map(str, (*size, channels)))
        reason = str(error).partition("\n")[0]
        raise InputError("images", f"{shape} do not pass through the network ({reason})", "give larger ones") from error


def _note(
    fields_by_name: dict[str, Fields],
    tracker: _FieldTracker,
    name: str,
    _module: nn.Module,
    _inputs: object,
    output: object,
) -> None:
    if isinstance(output, Tensor) and id(output) in tracker.fields_by_id:
        fields_by_name.setdefault(name, tracker.fields_by_id[id(output)][1])


class _FieldTracker(TorchFunctionMode):
    """Propagates the fields of tensors from the inputs to the outputs of every function."""

    def __init__(self) -> None:
        super().__init__()
        self.fields_by_id: dict[int, tuple[Tensor, Fields]] = {}  # holds references, so that ids stay unique
        self.sharing: dict[int, list[Tensor]] = {}  # tensors by their memory
        self.lost: set[int] = set()  # ids of tensors whose memory was modified through another tensor: fields unknown

    def remember(self, tensor: Tensor, fields: Fields) -> None:
        """Record the fields of a tensor."""
        if id(tensor) not in self.fields_by_id:
            self.sharing.setdefault(_memory(tensor), []).append(tensor)
        self.fields_by_id[id(tensor)] = (tensor, fields)
        self.lost.discard(id(tensor))

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs, name = dict(kwargs or {}), name_of(func)
        if name in SLOW and args:
            output = args[0] if is_in_place(func, kwargs) else torch.empty_like(args[0])
        else:
            output = func(*args, **kwargs)
        if name == "setitem":
            self._set(args[0], args[1], args[2])
        outputs = tensors(output)
        if not outputs or name in NO_VALUES:
            return output
        candidates = tensors(args[:1]) if name in LIKE else tensors(args, kwargs)
        inputs = [self._input_with_fields(name, tensor) for tensor in candidates if id(tensor) in self.fields_by_id]
        if not inputs:
            return output
        remember = self._remember_in_place if is_in_place(func, kwargs) else self.remember
        for index, tensor in enumerate(outputs):
            remember(tensor, _behind(Call(name, args, kwargs, inputs, outputs, index)))
        return output

    def _input_with_fields(self, name: str, tensor: Tensor) -> tuple[Tensor, Fields]:
        if id(tensor) in self.lost:
            raise InputError(
                "receptive field", f"{name} reads a map whose memory was written into", "write without views in place"
            )
        return self.fields_by_id[id(tensor)]

    def _set(self, target: Tensor, index: Any, value: Any) -> None:
        """Handle `target[index] = value`, which may replace channels, but not some of the positions."""
        if not isinstance(value, Tensor) or id(value) not in self.fields_by_id:
            return
        _, fields = entry = self._input_with_fields("setitem", value)
        rank = len(fields)
        cuts = position_rules.slices(index, target.ndim, rank)
        covers_map = cuts and all(
            cut.indices(n) == (0, n, 1) for cut, n in zip(cuts, target.shape[target.ndim - rank :], strict=True)
        )
        inputs = [self._input_with_fields("setitem", target), entry] if id(target) in self.fields_by_id else [entry]
        combined = position_rules.beside(inputs, target) if covers_map else None
        if combined is None:
            raise InputError("receptive field", "a part of a map is written in place", "concatenate or pad instead")
        self._remember_in_place(target, combined)

    def _remember_in_place(self, tensor: Tensor, fields: Fields) -> None:
        """Record an in-place change of a tensor, and of others that share its memory."""
        before = self.fields_by_id.get(id(tensor))
        self.remember(tensor, fields)
        if before is not None and before[1] == fields:
            return
        others = [(other, self.fields_by_id[id(other)][1]) for other in self.sharing[_memory(tensor)]]
        if tensor._base is not None and id(tensor._base) not in self.fields_by_id:
            others.append((tensor._base, fields))
        for other, other_fields in others:
            if other is not tensor:
                same = other.shape[-len(fields) :] == tensor.shape[-len(fields) :]
                combined = position_rules.beside([(other, other_fields), (tensor, fields)], other) if same else None
                self.remember(other, combined or other_fields)
                if combined is None:
                    self.lost.add(id(other))


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _behind(call: Call) -> Fields:
    """Return the fields of a function's output; InputError for an unsupported function."""
    if all(everywhere(field) for _, fields in call.inputs for field in fields):
        return tuple(together(axis) for axis in zip(*(fields for _, fields in call.inputs), strict=True))
    rule = RULES.get(call.name)
    return refuse(call) if rule is None else rule(call)
