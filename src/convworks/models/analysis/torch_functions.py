"""PyTorch functions by their effect on positions. Names, since each exists in several namespaces and in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from torch import Tensor


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})
UP_CONVOLUTIONS = frozenset({"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
AVERAGE_POOLS = frozenset({"avg_pool1d", "avg_pool2d", "avg_pool3d"})
MAX_POOLS = frozenset(f"max_pool{rank}d{indices}" for rank in (1, 2, 3) for indices in ("", "_with_indices"))
ADAPTIVE_POOLS = frozenset(
    f"adaptive_{kind}_pool{rank}d{indices}"
    for rank in (1, 2, 3)
    for kind, indices in (("avg", ""), ("max", ""), ("max", "_with_indices"))
)
#: Elementwise functions of one tensor.
ACTIVATIONS = _names(
    """relu relu6 elu celu selu gelu silu mish leaky_relu prelu rrelu hardtanh hardswish hardsigmoid hardshrink
    softshrink tanhshrink softplus softsign sigmoid logsigmoid tanh threshold abs absolute neg negative positive
    exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sin cos tan asin acos atan sinh cosh asinh
    acosh atanh erf clamp clip clamp_min clamp_max sign sgn round floor ceil trunc frac logit nan_to_num isnan
    isfinite isinf logical_not invert dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout
    feature_dropout local_response_norm detach data"""
)
#: Elementwise functions of several tensors.
ARITHMETIC = _names(
    """add radd iadd sub rsub isub subtract mul rmul imul multiply div rdiv idiv divide truediv rtruediv itruediv
    true_divide floordiv rfloordiv ifloordiv floor_divide pow rpow ipow float_power remainder fmod mod rmod imod
    maximum minimum fmax fmin where lerp addcmul addcdiv masked_fill atan2 hypot heaviside copysign eq ne lt le gt
    ge and or xor iand ior ixor rand ror rxor logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
    bitwise_not"""
)
#: The same values in other memory, in another type, or broadcast.
STORAGE = _names(
    """clone contiguous to type type_as float double half bfloat16 int long bool cpu cuda copy requires_grad real
    alias channel_shuffle expand expand_as broadcast_to repeat tile"""
)
ELEMENTWISE = ACTIVATIONS | ARITHMETIC | STORAGE
#: Normalise by statistics of the whole map or by fixed ones (see `normalised_axes`).
NORMS = frozenset({"batch_norm", "instance_norm", "group_norm", "layer_norm"})
#: Mix all positions along some axes, by the index of the argument that names these; by default along all.
ALONG_AXES: Mapping[str, int] = {
    **dict.fromkeys(("softmax", "log_softmax", "softmin", "cumsum", "cumprod", "logcumsumexp", "logsumexp"), 1),
    **dict.fromkeys(("sum", "mean", "amax", "amin", "max", "min", "prod", "std", "var", "median", "all", "any"), 1),
    **dict.fromkeys(("std_mean", "var_mean", "aminmax", "argmax", "argmin"), 1),
    **dict.fromkeys(("norm", "normalize"), 2),
}
#: The same values in another shape; permutations move positions.
RESHAPES = frozenset({"view", "reshape", "view_as", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze"})
PERMUTATIONS = frozenset(
    {"permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "adjoint", "t", "T", "mT", "H", "mH"}
)
#: The index of the axis argument.
SPLITS: Mapping[str, int] = {"chunk": 2, "split": 2, "split_with_sizes": 2, "tensor_split": 2, "unbind": 1}
#: Use further tensors for their type or shape only.
LIKE = frozenset({"to", "type_as", "view_as", "expand_as", "reshape_as"})
NO_VALUES = frozenset(
    f"{fill}_like" for fill in ("zeros", "ones", "full", "empty", "rand", "randn", "randint")
) | frozenset(f"new_{fill}" for fill in ("zeros", "ones", "full", "empty", "tensor"))


@cache
def name_of(func: Callable[..., Any]) -> str:
    """Return the name of a function without underscores: `add` for torch.add, Tensor.add_ and the operator."""
    name = getattr(func, "__name__", str(func))
    if name in ("__get__", "__set__"):
        name = getattr(getattr(func, "__self__", None), "__name__", name)  # property name
    return str(name).strip("_")


def is_in_place(func: Callable[..., Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call modifies its first argument."""
    return bool(kwargs.get("inplace")) or _named_in_place(func)


def arguments(args: Any, kwargs: Mapping[str, Any], **indices: int) -> list[Any]:
    """Return arguments passed by position or name, None if omitted."""
    return [args[index] if index < len(args) else kwargs.get(name) for name, index in indices.items()]


def tensors(*values: Any) -> list[Tensor]:
    """Return the tensors in nested arguments."""
    matches, pending = [], list(reversed(values))
    while pending:
        value = pending.pop()
        if isinstance(value, Tensor):
            matches.append(value)
        elif isinstance(value, list | tuple):
            pending.extend(reversed(value))
        elif isinstance(value, dict):
            pending.extend(reversed(value.values()))
    return matches


def axes(name: str, tensor: Tensor, args: Any, kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the axes that a function of ALONG_AXES mixes, counted from the last (-1)."""
    index = ALONG_AXES[name]
    dims = args[index] if index < len(args) else kwargs.get("dim", kwargs.get("axis"))
    if dims is None and name == "normalize":
        dims = 1
    if dims is None or isinstance(dims, bool):
        return tuple(range(-tensor.ndim, 0))
    return tuple(axis - tensor.ndim if axis >= 0 else axis for axis in each(dims))


def normalised_axes(name: str, rank: int, args: Any, kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the axes of the map over which a normalisation computes statistics at inference; may be empty."""
    if name == "layer_norm":
        (shape,) = arguments(args, kwargs, normalized_shape=1)
        return tuple(range(-min(rank, len(shape)), 0))
    if name in ("batch_norm", "instance_norm"):
        (statistics,) = arguments(args, kwargs, **{"training" if name == "batch_norm" else "use_input_stats": 5})
        if not (name == "instance_norm" if statistics is None else statistics):
            return ()
    return tuple(range(-rank, 0))


def each(value: Any) -> tuple[int, ...]:
    """Return one number or several as a tuple."""
    return (value,) if isinstance(value, int) else tuple(value)


@cache
def _named_in_place(func: Callable[..., Any]) -> bool:
    name = getattr(func, "__name__", "")
    return (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
