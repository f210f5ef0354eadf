"""A forward and backward pass that records the input, output and messages of every layer."""

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
from convworks.layers.mode import in_full_precision

SHOWN = 24  # layers that a message lists
Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One call of one module: its input and output, and the messages that reached them (None if none did).

    `module` is a copy with the weights at that moment. `input_message` is the part that this call sends to its input;
    if several modules read the same values, each sends its own part. `random` is the state of the random number
    generator at the start of the call. Tensors are on the CPU.
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
    """The record of a pass: its layers by name, in the order in which their calls began.

    Several calls of one module are listed as `name[1]`, `name[2]`; the network itself has the empty name. `gradients`
    are those of the parameters. `other` are modules whose input or output is not a single tensor.
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
        layers = list(filter(None, self.layers))
        listed = ", ".join(layers[:SHOWN]) + (", ..." if len(layers) > SHOWN else "")
        raise InputError("layer", f"there is no layer {name!r}{nearest(name, layers)}", f"layers: {listed}")


@dataclass(kw_only=True)
class _Call:
    """The record of a call while the pass runs."""

    input: Tensor
    random: Tensor
    output: Tensor | None = None
    messages: dict[str, Tensor] = field(default_factory=dict)


def observe(network: nn.Module, images: Num[Tensor, "b *input"], loss: Loss | None = None) -> Observation:
    """Run a copy of a network in its current mode and record the input, output and messages of every module.

    `loss` turns the network's output into one number, for example `lambda logits: F.cross_entropy(logits, labels)`.
    The network and the random state are unchanged. Raises InputError if observing would change the result: in networks
    that modify a tensor in place while another part still reads it.
    """
    copied = deepcopy(network)
    calls: dict[str, list[_Call]] = {}
    other: set[str] = set()
    devices = range(torch.cuda.device_count())
    with torch.inference_mode(False), torch.random.fork_rng(list(devices)), torch.enable_grad(), in_full_precision():
        expected = _plain_output(copied, images)
        pixels = images.detach().clone()
        if pixels.is_floating_point():
            pixels.requires_grad_()
        handles = [
            handle for name, module in copied.named_modules() for handle in _add_hooks(name, module, calls, other)
        ]
        try:
            output = copied(pixels)
        finally:
            for handle in handles:
                handle.remove()
        if not torch.allclose(output.detach(), expected, rtol=1e-4, atol=1e-5, equal_nan=True):
            reason = "gives something else when observed: a part of it writes into a tensor that another part reads"
            raise InputError("network", reason, "set inplace=False there")
        scalar = None if loss is None else _scalar_loss(loss(output))
        gradients = _gradients(copied, pixels, scalar)
    modules = dict(copied.named_modules())
    layers = {
        name if len(module_calls) == 1 else f"{name}[{number}]": Layer(
            name=name if len(module_calls) == 1 else f"{name}[{number}]",
            module=modules[name],
            input=call.input,
            output=call.output,
            message=call.messages.get("output"),
            input_message=call.messages.get("input"),
            random=call.random,
        )
        for name, module_calls in calls.items()
        for number, call in enumerate(module_calls, start=1)
        if call.output is not None
    }
    number = None if scalar is None else float(scalar.detach())
    return Observation(layers=layers, loss=number, gradients=gradients, other=tuple(sorted(other)))


def _plain_output(network: nn.Module, images: Tensor) -> Tensor:
    """Return the output without hooks; running statistics and the random state are restored."""
    buffers = [buffer.clone() for buffer in network.buffers()]
    state = torch.random.get_rng_state()
    with torch.no_grad():
        output = network(images.detach().clone())
        for buffer, before in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(before)
    torch.random.set_rng_state(state)
    if not isinstance(output, Tensor):
        raise InputError("network", f"gives a {type(output).__name__}, not one tensor", "observe the part that does")
    return output


def _scalar_loss(value: object) -> Tensor:
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
    gradients = torch.autograd.grad(value, sources, allow_unused=True)[len(sources) - len(named) :]
    return {name: gradient.cpu() for name, gradient in zip(named, gradients, strict=True) if gradient is not None}


def _add_hooks(name: str, module: nn.Module, calls: dict[str, list[_Call]], other: set[str]) -> tuple[Any, Any]:
    def before(_module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if len(inputs) != 1 or named or not isinstance(inputs[0], Tensor):
            other.add(name)
            return None
        call = _Call(input=inputs[0].detach().cpu().clone(), random=torch.random.get_rng_state())
        calls.setdefault(name, []).append(call)
        return (_recorded(inputs[0], partial(call.messages.__setitem__, "input")),), named

    def after(_module: nn.Module, _inputs: object, output: Any) -> Any:
        open_calls = [call for call in calls.get(name, []) if call.output is None]
        if not open_calls or not isinstance(output, Tensor):
            other.add(name)
            return None
        call = open_calls[-1]
        call.output = output.detach().cpu().clone()
        return _recorded(output, partial(call.messages.__setitem__, "output"))

    return module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)


def _recorded(x: Tensor, record: Callable[[Tensor], None]) -> Tensor:
    """Return x unchanged, and record the message that passes it on the way back."""
    if not x.is_floating_point():
        return x
    passed: Tensor = _Record.apply(x, record)  # type: ignore[no-untyped-call]
    return passed


class _Record(torch.autograd.Function):
    """The identity, which records its message; it copies, so that later layers may work in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, record: Callable[[Tensor], None]) -> Tensor:
        ctx.record = record
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *messages: Tensor) -> tuple[Tensor, None]:
        ctx.record(messages[0].detach().cpu().clone())
        return messages[0], None
