"""A pass through a network of which every layer's inputs, outputs and messages are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError, nearest

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One module during the pass: its input and output, and the messages that came to them (None without a loss).

    `input_message` is the part that this module sends to its input; where several modules read the same values, each
    sends a part of its own.
    """

    name: str
    module: nn.Module
    training: bool
    input: Tensor
    output: Tensor
    message: Tensor | None
    input_message: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a network did with a batch: its layers by name, in the order in which they finished."""

    layers: Mapping[str, Layer]
    loss: float | None
    gradients: Mapping[str, Tensor]

    def layer(self, name: str) -> Layer:
        """Return one layer; an unknown name raises InputError with its nearest neighbours."""
        if name not in self.layers:
            raise InputError(
                "layer",
                f"there is no layer {name!r}{nearest(name, self.layers)}",
                f"layers: {', '.join(list(self.layers)[:12])} ...",
            )
        return self.layers[name]


def observe(network: nn.Module, images: Float[Tensor, "b c *size"], loss: Loss | None = None) -> Observation:
    """Run a network in its present mode and keep what every module read, computed and (with `loss`) sent back.

    `loss` turns the network's output into one number, for example `lambda logits: F.cross_entropy(logits, labels)`.
    Weights and their gradients, running statistics and the random state stay as they were.
    """
    pixels = images.detach().clone().requires_grad_()
    state = {name: buffer.clone() for name, buffer in network.named_buffers()}
    random = torch.random.get_rng_state()
    kept: dict[str, dict[str, Any]] = {}
    handles: list[Any] = []
    for name, module in network.named_modules():
        if name:
            handles += _watch(name, module, kept)
    try:
        with torch.enable_grad():
            output = network(pixels)
            value = None if loss is None else loss(output)
            gradients = _gradients(network, pixels, value)
    finally:
        for handle in handles:
            handle.remove()
        torch.random.set_rng_state(random)
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(state[name])
    layers = {
        name: Layer(
            name=name,
            module=network.get_submodule(name),
            training=network.get_submodule(name).training,
            input=entry["input"],
            output=entry["output"],
            message=entry.get("message"),
            input_message=entry.get("input_message"),
        )
        for name, entry in kept.items()
        if "output" in entry
    }
    return Observation(layers=layers, loss=None if value is None else float(value.detach()), gradients=gradients)


def _gradients(network: nn.Module, pixels: Tensor, value: Tensor | None) -> dict[str, Tensor]:
    if value is None:
        return {}
    if value.numel() != 1:
        raise InputError("loss", f"must be one number, got shape {tuple(value.shape)}", "sum or average it")
    named = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    _, *found = torch.autograd.grad(value.sum(), [pixels, *named.values()], allow_unused=True)
    return {name: gradient for name, gradient in zip(named, found, strict=True) if gradient is not None}


def _watch(name: str, module: nn.Module, kept: dict[str, dict[str, Any]]) -> Sequence[Any]:
    def before(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not inputs or not isinstance(inputs[0], Tensor):
            return None
        entry = kept[name] = {"input": inputs[0].detach().clone()}
        return (_Keep.apply(inputs[0], entry, "input_message"), *inputs[1:])  # type: ignore[no-untyped-call]

    def after(_module: nn.Module, _inputs: object, output: Any) -> Any:
        if name not in kept or not isinstance(output, Tensor):
            return None
        entry = kept[name]
        entry["output"] = output.detach().clone()
        return _Keep.apply(output, entry, "message")  # type: ignore[no-untyped-call]

    return module.register_forward_pre_hook(before), module.register_forward_hook(after)


class _Keep(torch.autograd.Function):
    """The identity, which keeps the message that passes it; a copy, so that layers may work in place behind it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, entry: dict[str, Any], key: str) -> Tensor:
        ctx.entry, ctx.key = entry, key
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *messages: Tensor) -> tuple[Tensor, None, None]:
        ctx.entry[ctx.key] = messages[0].detach().clone()
        return messages[0], None, None
