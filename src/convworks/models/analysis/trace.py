"""The data flow between modules, traced tensor by tensor in one pass of a network on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convworks.layers.mode import evaluating
from convworks.layers.network import Network

#: PyTorch runs these in slow Python on the meta device; only their shape matters here.
SAME_SHAPE = {F.batch_norm, F.relu}
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


@dataclass(kw_only=True)
class Call:
    """One call of a module: its name, input and output shapes (without the batch), and the inner calls (`within`).

    `number` counts all calls in the order in which they begin, `last` is the highest number within this one. `reads`
    and `makes` are the numbers of the calls whose outputs its inputs and its output depend on; -1 is the input of the
    network. `functions` names the functions that the module itself ran, `joins` tells that it combined several tensors.
    `own`: the output was computed here, not by an inner call. `new`: it has new memory, unlike in-place and reshaping
    modules.
    """

    name: str
    module: nn.Module
    number: int
    last: int
    input: tuple[int, ...]
    output: tuple[int, ...] = ()
    reads: frozenset[int] = frozenset()
    makes: frozenset[int] = frozenset()
    functions: list[str] = field(default_factory=list)
    joins: bool = False
    own: bool = True
    new: bool = True
    tensors: tuple[Tensor, Tensor] | None = None
    within: list[Call] = field(default_factory=list)

    def holds(self, number: int) -> bool:
        """Return whether a call is this one or within it."""
        return self.number <= number <= self.last

    def everything(self) -> Iterator[Call]:
        """Yield the inner calls in the order in which they end, then this one."""
        for call in self.within:
            yield from call.everything()
        yield self


def trace(network: Network, images: Tensor) -> list[Call]:
    """Return the calls of stem, stages, auxiliary classifiers and head, named as taps (without `stages.`).

    Network and images are on the meta device; the pass is in evaluation mode, without gradients.
    """
    tracker = _CallTracker(images)
    handles = []
    for name, module in network.named_modules():
        if name and name != "stages":
            handles.append(
                module.register_forward_pre_hook(tracker.begin(name.removeprefix("stages.")), with_kwargs=True)
            )
            handles.append(module.register_forward_hook(tracker.end))
    try:
        with evaluating(network), torch.no_grad(), tracker:
            network.outputs(images)
    finally:
        for handle in handles:
            handle.remove()
    return tracker.roots


class _CallTracker(TorchFunctionMode):
    """Propagates the numbers of calls from the inputs to the output of every function."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.roots: list[Call] = []
        self.stack: list[Call] = []
        self.count = 0
        self.from_calls: dict[int, tuple[Tensor, frozenset[int]]] = {}  # holds references: ids stay unique
        self.remember(images, frozenset({-1}))

    def remember(self, tensor: Tensor, numbers: frozenset[int]) -> None:
        """Record the calls that a tensor comes from."""
        self.from_calls[id(tensor)] = (tensor, numbers)

    def origins(self, value: Any) -> frozenset[int]:
        """Return the calls that the tensors of a value come from."""
        entries = (self.from_calls.get(id(tensor)) for tensor in tensors_of(value))
        return frozenset().union(*(entry[1] for entry in entries if entry is not None))

    def begin(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        """Return the hook that opens a call."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            first = next(tensors_of((args, kwargs)))
            call = Call(
                name=name,
                module=module,
                number=self.count,
                last=self.count,
                input=tuple(first.shape[1:]),
                reads=self.origins((args, kwargs)),
                tensors=(first, first),
            )
            self.count += 1
            (self.stack[-1].within if self.stack else self.roots).append(call)
            self.stack.append(call)

        return hook

    def end(self, _module: nn.Module, _args: Any, output: Any) -> None:
        """Close a call."""
        call, result = self.stack.pop(), next(tensors_of(output))
        assert call.tensors is not None
        input_tensor = call.tensors[0]
        call.tensors, call.output, call.last = (input_tensor, result), tuple(result.shape[1:]), self.count - 1
        before = [tensor for inner in call.within for tensor in (inner.tensors or ())]
        call.own = call.joins or all(tensor is not result for tensor in before)
        call.new = storage(result) not in map(storage, [input_tensor, *before])
        call.makes = self.origins(output) if call.within else frozenset({call.number})
        # Dropout is the identity in evaluation, but still a layer.
        if result is not input_tensor or getattr(call.module, "inplace", False) or isinstance(call.module, DROPOUT):
            for tensor in tensors_of(output):
                self.remember(tensor, frozenset({call.number}))
        elif not call.within:
            call.makes = call.reads  # the identity

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in SAME_SHAPE:
            output = args[0] if kwargs.get("inplace", False) else torch.empty_like(args[0])
        else:
            output = func(*args, **kwargs)
        origins = {self.origins(tensor) for tensor in tensors_of((args, kwargs))} - {frozenset()}
        if self.stack:
            self.stack[-1].functions.append(getattr(func, "__name__", ""))
            self.stack[-1].joins |= len(origins) > 1
        for tensor in tensors_of(output) if origins else ():
            self.remember(tensor, frozenset().union(*origins))  # an in-place sum is one of its inputs
        return output


def storage(tensor: Tensor) -> int:
    """Return an id of the memory of a tensor, unique while it exists."""
    number: int = tensor.untyped_storage()._cdata
    return number


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of nested values."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from tensors_of(entry)
    elif isinstance(value, dict):
        yield from tensors_of(list(value.values()))
