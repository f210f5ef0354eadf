"""How much memory a network takes, in training and in use: measured on the meta device, where nothing is computed."""

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

    `weights` are parameters and buffers (running statistics) with those of auxiliary classifiers, which are
    `auxiliary` and only needed in training; `gradients` and
    `momentum` one number for each trainable parameter; `kept` the tensors that PyTorch keeps from the forward pass for
    the backward pass, the batch among them, each once; `alive` the most that the tensors of an evaluation take up at
    one moment, the batch among them. Not counted: the messages of the backward pass while it runs, the scratch memory
    of kernels, and what the framework itself needs.
    """

    weights: int
    auxiliary: int
    gradients: int
    momentum: int
    kept: int
    alive: int

    @property
    def training(self) -> int:
        """Bytes in training by gradient descent with momentum."""
        return self.weights + self.gradients + self.momentum + self.kept

    @property
    def inference(self) -> int:
        """Bytes in use."""
        return self.weights - self.auxiliary + self.alive


def memory(network: Network, images: Tensor) -> Memory:
    """Measure a network on a batch; both are on the meta device."""
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
    """Return the bytes that are kept for the backward pass of training, without parameters and buffers."""
    own = {storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
    storages: dict[int, torch.UntypedStorage] = {}  # holds them, so that no number comes twice

    def keep(tensor: Tensor) -> Tensor:
        if storage(tensor) not in own:
            storages[storage(tensor)] = tensor.untyped_storage()
        return tensor

    modes = [(module, module.training) for module in network.modules()]
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            results = network.train().outputs(images)
    finally:
        for module, training in modes:
            module.training = training
    total = sum(part.nbytes() for part in storages.values())
    del results  # with it goes the graph, and what it keeps
    return total


def alive(network: Network, images: Tensor) -> int:
    """Return the most bytes that the tensors of an evaluation take up at one moment, without parameters and buffers."""
    follow = _Alive(network, images)
    with evaluating(network), torch.no_grad(), follow:
        network(images)
    return follow.most


class _Alive(TorchFunctionMode):
    """Adds up the memory of the tensors that are held, from the moment they are made to their end."""

    def __init__(self, network: Network, images: Tensor) -> None:
        super().__init__()
        self.own = {storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
        self.held: dict[int, tuple[int, int]] = {}  # number of a storage: how many tensors hold it, bytes
        self.now = self.most = 0
        self.hold(images)

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor until nobody holds it any more."""
        number = storage(tensor)
        if number in self.own:
            return
        holders, size = self.held.get(number, (0, tensor.untyped_storage().nbytes()))
        if not holders:
            self.now += size
            self.most = max(self.most, self.now)
        self.held[number] = (holders + 1, size)
        weakref.finalize(tensor, self.release, number)

    def release(self, number: int) -> None:
        """Count a tensor no longer."""
        holders, size = self.held.pop(number)
        if holders > 1:
            self.held[number] = (holders - 1, size)
        else:
            self.now -= size

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = {id(tensor) for tensor in tensors_of((args, dict(kwargs or {})))}
        output = func(*args, **dict(kwargs or {}))
        for tensor in tensors_of(output):
            if id(tensor) not in given:  # what works in place gives its input back
                self.hold(tensor)
        return output


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
