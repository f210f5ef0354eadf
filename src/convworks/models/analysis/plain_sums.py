"""A network as a chain of plain sums, whose gradients show dependencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convworks.errors import InputError
from convworks.models.analysis import torch_functions as known
from convworks.models.analysis.torch_functions import each, is_in_place, name_of, tensors

WINDOWS = known.AVERAGE_POOLS | known.MAX_POOLS | known.ADAPTIVE_POOLS | {"interpolate"}
#: Functions along axes that preserve the shape.
SHAPE_PRESERVING = frozenset({"softmax", "log_softmax", "softmin", "cumprod", "logcumsumexp", "normalize"})


class PlainSums(TorchFunctionMode):
    """Runs a network as a chain of plain sums: no value blocks or cancels a message.

    Only tensors that depend on the image may require gradients. Functions without a rule run unchanged.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs, rule = dict(kwargs or {}), RULES.get(name_of(func))
        depends = [] if rule is None else [tensor for tensor in tensors(args, kwargs) if tensor.requires_grad]
        if rule is None or not depends:
            return func(*args, **kwargs)
        return rule(func, args, kwargs, depends)


class Arrives(torch.autograd.Function):
    """Return ones; its message is 1 where more than rounding errors arrive, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Discard the values, which would grow from layer to layer."""
        return torch.ones_like(x)

    @staticmethod
    def backward(ctx: Any, *messages: Tensor) -> Tensor:
        """Discard the magnitude of the message."""
        size = messages[0].abs()
        return size.gt(1e-6 * size.max()).to(size)


def _identity(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Tensor:
    # A copy: later in-place changes must not affect the input.
    return depends[0] if is_in_place(func, kwargs) else depends[0].clone()


def _sum(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Tensor:
    """Return the sum of all tensors that depend on the image, in the shape of the result."""
    if is_in_place(func, kwargs):
        target: Tensor = args[0]
        for tensor in depends:
            if tensor is not target:
                target.add_(tensor)
        return target
    shapes = [tensor.shape for tensor in tensors(args, kwargs)]
    shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    return sum((tensor.expand(shape) for tensor in depends[1:]), depends[0].expand(shape).clone())


def _weights_one(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Tensor:
    inputs, weight = known.arguments(args, kwargs, input=0, weight=1)
    options = {name: value for name, value in kwargs.items() if name not in ("input", "weight", "bias")}
    return _arrives(func(inputs, torch.ones_like(weight).contiguous(), None, *args[3:], **options))


def _average(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Any:
    """Replace maxima, whose message reaches only one position, by averages."""
    name = name_of(func)
    if "max" not in name:
        return _arrives(func(*args, **kwargs))
    real = func(*args, **kwargs)
    average = getattr(F, name.removesuffix("_with_indices").replace("max", "avg"))
    kwargs.pop("return_indices", None)
    if name in known.MAX_POOLS:
        kwargs = dict(zip(("stride", "padding", "dilation", "ceil_mode"), args[2:], strict=False)) | kwargs
        if set(each(kwargs.pop("dilation", 1))) != {1}:
            raise InputError("footprint", "max pooling with dilation is not known", "use dilation 1")
        args = args[:2]
    output = _arrives(average(*args, **kwargs))
    return output if isinstance(real, Tensor) else (output, real[1])


def _normalise(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Tensor:
    """Return each value plus the sum of all that share its mean."""
    name, x = name_of(func), depends[0]
    rank = x.ndim if name == "layer_norm" else x.ndim - 2
    over = known.normalised_axes(name, rank, args, kwargs)
    if not over:
        return x.clone()
    if name != "group_norm":
        return _arrives(x + x.sum(over, keepdim=True))
    (groups,) = known.arguments(args, kwargs, num_groups=1)
    grouped = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
    return _arrives((grouped + grouped.sum((*over, -x.ndim + 1), keepdim=True)).flatten(1, 2))


def _along_axes(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Any:
    """Replace means, maxima and the like by sums."""
    name, x = name_of(func), depends[0]
    if len(tensors(args, kwargs)) > 1:  # torch.max(x, y)
        return _sum(func, args, kwargs, depends)
    over = known.axes(name, x, args, kwargs)
    if name in SHAPE_PRESERVING:
        return _arrives(x + x.sum(over, keepdim=True))
    real = func(*args, **kwargs)
    first = tensors(real)[0]
    if name == "cumsum":
        return _arrives(real)
    total = x.sum(over, keepdim=first.ndim == x.ndim)
    return total if isinstance(real, Tensor) else type(real)((total, *real[1:]))


def _fully_connected(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Tensor:
    (weight,) = known.arguments(args, kwargs, weight=1)
    return _arrives(depends[0].sum(-1, keepdim=True).expand(*depends[0].shape[:-1], len(weight)))


def _matrix_product(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Tensor:
    left, right = (entry if entry.requires_grad else entry.ne(0).to(depends[0]) for entry in args[:2])
    product = func(left, right)
    if len(depends) > 1:
        product = product + sum(tensor.sum() for tensor in depends)
    return _arrives(product)


def _gate(func: Any, args: Any, kwargs: dict[str, Any], depends: list[Tensor]) -> Tensor:
    (dim,) = known.arguments(args, kwargs, dim=1)
    first, second = depends[0].chunk(2, -1 if dim is None else dim)
    return first + second


def _arrives(x: Tensor) -> Tensor:
    output: Tensor = Arrives.apply(x)  # type: ignore[no-untyped-call]
    return output


RULES: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(known.ACTIVATIONS, _identity),
    **dict.fromkeys(known.ARITHMETIC, _sum),
    **dict.fromkeys(known.CONVOLUTIONS | known.UP_CONVOLUTIONS, _weights_one),
    **dict.fromkeys(WINDOWS, _average),
    **dict.fromkeys(known.NORMS, _normalise),
    **dict.fromkeys(known.ALONG_AXES, _along_axes),
    **dict.fromkeys(("matmul", "rmatmul"), _matrix_product),
    "linear": _fully_connected,
    "glu": _gate,
}
