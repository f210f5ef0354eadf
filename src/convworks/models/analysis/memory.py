"""Memory use of a network in training and inference, measured on the meta device."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convworks.layers.mode import evaluating
from convworks.layers.network import Network
from convworks.models.analysis.trace import storage, tensors_of


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of a network for one batch, with 32-bit floating-point numbers.

    `weights` are parameters and buffers (running statistics), including those of auxiliary classifiers (`auxiliary`),
    which only training needs; `gradients` and `momentum` are one number per trainable parameter; `kept` are the
    distinct tensors that PyTorch saves for the backward pass, including the batch; `alive` is the peak of the tensors
    of an evaluation, including the batch. Not counted: the messages of the backward pass, the workspaces of kernels,
    and the memory of the framework itself.
    """

    weights: int
    auxiliary: int
    gradients: int
    momentum: int
    kept: int
    alive: int

    @property
    def training(self) -> int:
        """Return the bytes in training with momentum SGD."""
        return self.weights + self.gradients + self.momentum + self.kept

    @property
    def inference(self) -> int:
        """Return the bytes in inference."""
        return self.weights - self.auxiliary + self.alive


def memory(network: Network, images: Tensor) -> Memory:
    """Measure a network on a batch, both on the meta device."""
    trainable = sum(_bytes(p) for p in network.parameters() if p.requires_grad)
    extra = getattr(network, "auxiliary", nn.Identity())
    return Memory(
        auxiliary=sum(map(_bytes, (*extra.parameters(), *extra.buffers()))),
        weights=sum(map(_bytes, (*network.parameters(), *network.buffers()))),
        gradients=trainable,
        momentum=trainable,
        kept=kept(network, images),
        alive=alive(network, images),
    )


def kept(network: Network, images: Tensor) -> int:
    """Return the bytes saved for the backward pass of training, without parameters and buffers."""
    own = {storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
    storages: dict[int, torch.UntypedStorage] = {}  # holds references, so that ids stay unique

    def record(tensor: Tensor) -> Tensor:
        if storage(tensor) not in own:
            storages[storage(tensor)] = tensor.untyped_storage()
        return tensor

    modes = [(module, module.training) for module in network.modules()]
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
            results = network.train().outputs(images)
    finally:
        for module, training in modes:
            module.training = training
    total = sum(part.nbytes() for part in storages.values())
    del results  # frees the graph and its saved tensors
    return total


def alive(network: Network, images: Tensor) -> int:
    """Return the peak bytes of the tensors of an evaluation, without parameters and buffers."""
    tracker = _PeakMemory(network, images)
    with evaluating(network), torch.no_grad(), tracker:
        network(images)
    return tracker.peak


class _PeakMemory(TorchFunctionMode):
    """Tracks the memory of live tensors, from creation to deletion."""

    def __init__(self, network: Network, images: Tensor) -> None:
        super().__init__()
        self.own = {storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
        self.held: dict[int, tuple[int, int]] = {}  # storage id: number of tensors that share it, bytes
        self.current = self.peak = 0
        self.hold(images)

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor until it is deleted."""
        number = storage(tensor)
        if number in self.own:
            return
        holders, size = self.held.get(number, (0, tensor.untyped_storage().nbytes()))
        if not holders:
            self.current += size
            self.peak = max(self.peak, self.current)
        self.held[number] = (holders + 1, size)
        weakref.finalize(tensor, self.release, number)

    def release(self, number: int) -> None:
        """Stop counting a tensor."""
        holders, size = self.held.pop(number)
        if holders > 1:
            self.held[number] = (holders - 1, size)
        else:
            self.current -= size

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        input_ids = {id(tensor) for tensor in tensors_of((args, dict(kwargs or {})))}
        output = func(*args, **dict(kwargs or {}))
        for tensor in tensors_of(output):
            if id(tensor) not in input_ids:  # in-place functions return their input
                self.hold(tensor)
        return output


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
