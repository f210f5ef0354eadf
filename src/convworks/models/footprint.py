"""Which pixels the gradient of one unit reaches: the receptive field found by running a network backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convworks.errors import InputError
from convworks.models.receptive import AVERAGE_POOLS, CONVOLUTIONS, MAX_POOLS, UP_CONVOLUTIONS, evaluating

AVERAGE: dict[Callable[..., Any], Callable[..., Any]] = {
    F.max_pool1d: F.avg_pool1d, F.max_pool2d: F.avg_pool2d, F.max_pool3d: F.avg_pool3d,
    F.adaptive_max_pool1d: F.adaptive_avg_pool1d, F.adaptive_max_pool2d: F.adaptive_avg_pool2d,
    F.adaptive_max_pool3d: F.adaptive_avg_pool3d,
}  # fmt: skip
#: What keeps each unit at its place: left out, so that no saturation or dead unit stops a message.
ELEMENTWISE = {
    F.relu, F.leaky_relu, F.elu, F.gelu, F.silu, F.hardtanh, F.dropout, F.batch_norm, F.group_norm, F.layer_norm,
    F.instance_norm, F.local_response_norm, torch.relu, torch.tanh, torch.sigmoid,
    Tensor.relu, Tensor.tanh, Tensor.sigmoid,
}  # fmt: skip


def footprint(
    network: nn.Module, tap: str, channels: int, size: Sequence[int], unit: Sequence[int] | None = None
) -> Bool[Tensor, "*size"]:
    """Return which pixels of an image of `size` reach a unit (position of the tap's map; the middle if None).

    The messages run backward through the network with all weights one, activations left out and maximum replaced by
    average; after each window they are reduced to "something arrives here", so that they neither vanish nor explode.
    Nothing of the network is changed. Raises InputError for an unknown tap, or one without a map.
    """
    modules = dict(network.named_modules())
    if tap not in modules:
        raise InputError("tap", f"there is no module {tap!r}", f"modules: {', '.join(list(modules)[1:20])} ...")
    images = torch.zeros(1, channels, *size, requires_grad=True)

    def stop(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        raise _Reached(output)

    handle = modules[tap].register_forward_hook(stop)
    try:
        with evaluating(network), torch.enable_grad(), _Linear():
            network(images)
        raise InputError("tap", f"{tap} is not part of the computation", "name another module")
    except _Reached as reached:
        output = reached.output
    finally:
        handle.remove()
    if output.ndim != len(size) + 2:
        raise InputError(
            "tap", f"{tap} has no map, its output is {tuple(output.shape)}", "name a layer before the head"
        )
    place = [n // 2 for n in output.shape[2:]] if unit is None else list(unit)
    message = torch.zeros_like(output)
    index: list[slice | int] = [slice(None), slice(None), *place]
    message[tuple(index)] = 1  # every channel of the place
    (gradient,) = torch.autograd.grad(output, images, message)
    return gradient[0].ne(0).any(0)


class _Reached(Exception):  # noqa: N818  # no error: it ends the forward pass
    def __init__(self, output: Tensor) -> None:
        self.output = output


class _Arrives(torch.autograd.Function):
    """The identity, whose message is 1 where more than rounding errors arrive."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *messages: Tensor) -> Tensor:
        return messages[0].gt(1e-6 * messages[0].max()).to(messages[0])


class _Linear(TorchFunctionMode):
    """Runs a network as a chain of plain sums."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in ELEMENTWISE:
            return args[0]
        if func in CONVOLUTIONS | UP_CONVOLUTIONS:
            weight = torch.ones_like(args[1]).contiguous()
            return _Arrives.apply(func(args[0], weight, None, *args[3:], **kwargs))  # type: ignore[no-untyped-call]
        if func in MAX_POOLS:
            kwargs = dict(zip(("stride", "padding", "dilation", "ceil_mode"), args[2:], strict=False)) | kwargs
            if kwargs.pop("dilation", 1) not in (1, (1,), (1, 1), (1, 1, 1)):
                raise InputError("footprint", "max pooling with dilation is not known", "use dilation 1")
            args = args[:2]
        if func in AVERAGE:
            kwargs.pop("return_indices", None)
        output = AVERAGE.get(func, func)(*args, **kwargs)
        spreads = func in AVERAGE or func in AVERAGE_POOLS or func is F.interpolate
        return _Arrives.apply(output) if spreads else output  # type: ignore[no-untyped-call]
