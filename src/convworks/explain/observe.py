"""A pass through a network of which every layer's input, output and messages are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Num
from torch import Tensor, nn

from convworks.errors import InputError, nearest

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One call of one module: its input and output, and the messages that came to them (None where none came).

    `module` is a copy with the weights of that moment. `input_message` is the part that this call sends to its input;
    where several modules read the same values, each sends a part of its own. `random` is the state of the random
    numbers when the call began. Tensors are on the CPU.
    """

    name: str
    module: nn.Module
    input: Tensor
    output: Tensor
    message: Tensor | None
    input_message: Tensor | None
    random: Tensor


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a network did with a batch: its layers by name, in the order in which they began.

    A module that was called several times is there as `name[1]`, `name[2]`; the network itself has the empty name.
    `gradients` are those of the parameters. `other` are modules that read or make something else than one tensor.
    """

    layers: Mapping[str, Layer]
    loss: float | None
    gradients: Mapping[str, Tensor]
    other: tuple[str, ...] = ()

    def layer(self, name: str) -> Layer:
        """Return one layer; an unknown name raises InputError with its nearest neighbours."""
        if name in self.layers:
            return self.layers[name]
        if f"{name}[1]" in self.layers:
            raise InputError("layer", f"{name!r} was called several times", f"name one call, for example {name}[1]")
        if name in self.other:
            raise InputError("layer", f"{name!r} does not turn one tensor into one", "name a layer inside or beside it")
        listed = ", ".join(list(self.layers)[:12])
        raise InputError("layer", f"there is no layer {name!r}{nearest(name, self.layers)}", f"layers: {listed} ...")


@dataclass(kw_only=True)
class _Call:
    """What is known of a call so far."""

    input: Tensor
    random: Tensor
    output: Tensor | None = None
    messages: dict[str, Tensor] = field(default_factory=dict)


def observe(network: nn.Module, images: Num[Tensor, "b *input"], loss: Loss | None = None) -> Observation:
    """Run a copy of a network in its present mode and keep what every module read, computed and sent back.

    `loss` turns the network's output into one number, for example `lambda logits: F.cross_entropy(logits, labels)`.
    The network and the random state stay as they were. Raises InputError where observing would change the result:
    for networks that write into a tensor which another part of them still reads.
    """
    copied = deepcopy(network)
    calls: dict[str, list[_Call]] = {}
    other: set[str] = set()
    devices = range(torch.cuda.device_count())
    with torch.inference_mode(False), torch.random.fork_rng(list(devices)), torch.enable_grad():
        expected = _unwatched(copied, images)
        pixels = images.detach().clone()
        if pixels.is_floating_point():
            pixels.requires_grad_()
        handles = [handle for name, module in copied.named_modules() for handle in _watch(name, module, calls, other)]
        try:
            output = copied(pixels)
        finally:
            for handle in handles:
                handle.remove()
        if not torch.allclose(output.detach(), expected, rtol=1e-4, atol=1e-5, equal_nan=True):
            reason = "gives something else when observed: a part of it writes into a tensor that another part reads"
            raise InputError("network", reason, "set inplace=False there")
        value = None if loss is None else _one_number(loss(output))
        gradients = _gradients(copied, pixels, value)
    modules = dict(copied.named_modules())
    layers = {
        name if len(found) == 1 else f"{name}[{number}]": Layer(
            name=name if len(found) == 1 else f"{name}[{number}]",
            module=modules[name],
            input=call.input,
            output=call.output,
            message=call.messages.get("output"),
            input_message=call.messages.get("input"),
            random=call.random,
        )
        for name, found in calls.items()
        for number, call in enumerate(found, start=1)
        if call.output is not None
    }
    number = None if value is None else float(value.detach())
    return Observation(layers=layers, loss=number, gradients=gradients, other=tuple(sorted(other)))


def _unwatched(network: nn.Module, images: Tensor) -> Tensor:
    """Return what the network gives by itself, leaving its running statistics and the random state as they were."""
    kept = [buffer.clone() for buffer in network.buffers()]
    state = torch.random.get_rng_state()
    with torch.no_grad():
        output = network(images.detach().clone())
        for buffer, before in zip(network.buffers(), kept, strict=True):
            buffer.copy_(before)
    torch.random.set_rng_state(state)
    if not isinstance(output, Tensor):
        raise InputError("network", f"gives a {type(output).__name__}, not one tensor", "observe the part that does")
    return output


def _one_number(value: object) -> Tensor:
    if not isinstance(value, Tensor) or value.grad_fn is None:
        raise InputError(
            "loss", "must be computed from the output, with its gradient", "do not use .item() or .detach()"
        )
    if value.numel() != 1:
        raise InputError("loss", f"must be one number, got shape {tuple(value.shape)}", "sum or average it")
    return value.sum()


def _gradients(network: nn.Module, pixels: Tensor, value: Tensor | None) -> dict[str, Tensor]:
    if value is None:
        return {}
    named = {name: p for name, p in network.named_parameters(remove_duplicate=False) if p.requires_grad}
    sources = [*([pixels] if pixels.requires_grad else []), *named.values()]
    if not sources:
        return {}
    found = torch.autograd.grad(value, sources, allow_unused=True)[len(sources) - len(named) :]
    return {name: gradient.cpu() for name, gradient in zip(named, found, strict=True) if gradient is not None}


def _watch(name: str, module: nn.Module, calls: dict[str, list[_Call]], other: set[str]) -> tuple[Any, Any]:
    def before(_module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if len(inputs) != 1 or named or not isinstance(inputs[0], Tensor):
            other.add(name)
            return None
        call = _Call(input=inputs[0].detach().cpu().clone(), random=torch.random.get_rng_state())
        calls.setdefault(name, []).append(call)
        return (_kept(inputs[0], partial(call.messages.__setitem__, "input")),), named

    def after(_module: nn.Module, _inputs: object, output: Any) -> Any:
        open_calls = [call for call in calls.get(name, []) if call.output is None]
        if not open_calls or not isinstance(output, Tensor):
            other.add(name)
            return None
        call = open_calls[-1]
        call.output = output.detach().cpu().clone()
        return _kept(output, partial(call.messages.__setitem__, "output"))

    return module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)


def _kept(x: Tensor, keep: Callable[[Tensor], None]) -> Tensor:
    """Return x as it is, but so that the message which passes it is kept."""
    if not x.is_floating_point():
        return x
    passed: Tensor = _Keep.apply(x, keep)  # type: ignore[no-untyped-call]
    return passed


class _Keep(torch.autograd.Function):
    """The identity, which keeps the message that passes it; a copy, so that layers may work in place behind it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, keep: Callable[[Tensor], None]) -> Tensor:
        ctx.keep = keep
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *messages: Tensor) -> tuple[Tensor, None]:
        ctx.keep(messages[0].detach().cpu().clone())
        return messages[0], None
