"""The receptive field of every module of a network, followed through branches, shortcuts and up-convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convworks.errors import InputError
from convworks.ops.receptive import PIXELS, Field, through_up_window, through_window, together

Fields = tuple[Field, ...]
#: These take further tensors for their type or shape, not for their values.
LIKE = {Tensor.to, Tensor.type_as, Tensor.view_as, Tensor.expand_as, Tensor.reshape_as}
NO_VALUES = {torch.zeros_like, torch.ones_like, Tensor.new_zeros, Tensor.new_ones, Tensor.new_full, Tensor.new_empty}
CONVOLUTIONS = {F.conv1d, F.conv2d, F.conv3d}
UP_CONVOLUTIONS = {F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d}
MAX_POOLS = {F.max_pool1d, F.max_pool2d, F.max_pool3d}
AVERAGE_POOLS = {F.avg_pool1d, F.avg_pool2d, F.avg_pool3d}
ADAPTIVE_POOLS = {
    F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d,
    F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d,
}  # fmt: skip


def receptive_fields(network: nn.Module, channels: int, size: Sequence[int]) -> dict[str, Fields]:
    """Return, for each module by name, the field of its output along each axis of images of `size`.

    The network runs on the meta device: nothing is computed, its weights are left alone. A module without spatial
    axes in its output (the head of a classifier) sees the same everywhere: its stride is 0. Raises InputError for an
    operation whose window is not known.
    """
    found: dict[str, Fields] = {}
    follow = _Follow()

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and id(output) in follow.known:
                found[name] = follow.known[id(output)][1]

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules() if name]
    images = torch.empty(1, channels, *size, device="meta")
    follow.remember(images, (PIXELS,) * len(size))
    values = {name: tensor.to("meta") for name, tensor in (*network.named_parameters(), *network.named_buffers())}
    try:
        with evaluating(network), torch.no_grad(), follow:
            torch.func.functional_call(network, values, (images,))
    finally:
        for handle in handles:
            handle.remove()
    return found


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and every module of it back into its own mode at the end."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


class _Follow(TorchFunctionMode):
    """Carries the fields of tensors from the inputs to the output of every function."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, tuple[Tensor, Fields]] = {}  # holds the tensors, so that no id comes twice

    def remember(self, tensor: Tensor, fields: Fields) -> None:
        """Note what the units of a tensor see."""
        self.known[id(tensor)] = (tensor, fields)

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        output = func(*args, **kwargs)
        given = args[:1] if func in LIKE else (args, kwargs)
        inputs = [tensor for tensor in _tensors(given) if id(tensor) in self.known]
        if inputs and isinstance(output, Tensor) and func not in NO_VALUES:
            fields = [self.known[id(tensor)][1] for tensor in inputs]
            self.remember(output, _behind(func, args, kwargs, inputs, fields, output))
        return output


def _tensors(value: Any) -> Iterator[Tensor]:
    """Give the tensors of nested arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _tensors(entry)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _behind(
    func: Callable[..., Any],
    args: Any,
    kwargs: dict[str, Any],
    inputs: list[Tensor],
    fields: list[Fields],
    output: Tensor,
) -> Fields:
    """Return the fields of a function's output."""
    rank, size = len(fields[0]), tuple(inputs[0].shape[2:])
    if func in CONVOLUTIONS:
        weight, stride, padding, dilation = _arguments(args, kwargs, weight=1, stride=3, padding=4, dilation=5)
        return _windows(
            fields[0], tuple(weight.shape[2:]), stride or 1, _zeros(padding, weight, dilation), dilation or 1
        )
    if func in UP_CONVOLUTIONS:
        weight, stride, padding, dilation = _arguments(args, kwargs, weight=1, stride=3, padding=4, dilation=7)
        return _up_windows(fields[0], weight.shape[2:], stride or 1, padding or 0, dilation or 1)
    if func in MAX_POOLS | AVERAGE_POOLS:
        kernel, stride, padding, dilation = _arguments(args, kwargs, kernel_size=1, stride=2, padding=3, dilation=4)
        dilation = dilation if func in MAX_POOLS else 1
        return _windows(fields[0], kernel, stride or kernel, padding or 0, dilation or 1)
    if func in ADAPTIVE_POOLS:
        return tuple(_adapt(f, n, m) for f, n, m in zip(fields[0], size, output.shape[2:], strict=True))
    if func is F.interpolate:
        mode = kwargs.get("mode", "nearest")
        return tuple(_upsample(f, n, m, mode) for f, n, m in zip(fields[0], size, output.shape[2:], strict=True))
    if func is F.pad:
        befores = (tuple(args[1])[::2] + (0,) * rank)[:rank][::-1]
        return tuple(through_window(f, kernel_size=1, before=b) for f, b in zip(fields[0], befores, strict=True))
    if func is Tensor.__getitem__:
        return _crop(fields[0], size, args[1], inputs[0].ndim)
    if func is Tensor.matmul and output.ndim == rank + 2:  # mixes positions along the axis that it changes
        pairs = zip(fields[0], size, output.shape[2:], strict=True)
        return tuple(f if n == m else _whole(f, n) for f, n, m in pairs)
    if output.ndim <= 2:
        return tuple(
            _whole(together(axis), n) for axis, n in zip(zip(*fields, strict=True), _padded(size, rank), strict=True)
        )
    if output.shape[2:] == inputs[0].shape[2:]:
        return tuple(together(axis) for axis in zip(*fields, strict=True))
    name = getattr(func, "__name__", str(func))
    raise InputError(
        "receptive field",
        f"{name} turns {tuple(inputs[0].shape)} into {tuple(output.shape)}, no known window",
        "use a layer",
    )


def _padded(size: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Return the size along each axis; features that have no axes any more are one position."""
    return size if len(size) == rank else (1,) * rank


def _arguments(args: Any, kwargs: dict[str, Any], **places: int) -> list[Any]:
    """Return arguments given by position or by name, None where they are left out."""
    return [args[place] if place < len(args) else kwargs.get(name) for name, place in places.items()]


def _each(value: Any, rank: int) -> tuple[int, ...]:
    """Return one number for each axis; PyTorch takes a single one in a tuple for all."""
    entries = (value,) if isinstance(value, int) else tuple(value)
    return entries * rank if len(entries) == 1 else entries


def _zeros(padding: Any, weight: Tensor, dilation: Any) -> Any:
    """Return the padding before each axis, which may be given as a name."""
    if not isinstance(padding, str):
        return padding or 0
    kernel = weight.shape[2:]
    spread = [d * (k - 1) for k, d in zip(kernel, _each(dilation or 1, len(kernel)), strict=True)]
    return [s // 2 if padding == "same" else 0 for s in spread]


def _windows(fields: Fields, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Fields:
    rank = len(fields)
    options = zip(fields, *(_each(option, rank) for option in (kernel_size, stride, dilation, padding)), strict=True)
    return tuple(through_window(f, kernel_size=k, stride=s, dilation=d, before=p) for f, k, s, d, p in options)


def _up_windows(fields: Fields, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Fields:
    rank = len(fields)
    options = zip(fields, *(_each(option, rank) for option in (kernel_size, stride, dilation, padding)), strict=True)
    return tuple(through_up_window(f, kernel_size=k, stride=s, dilation=d, before=p) for f, k, s, d, p in options)


def _whole(field: Field, size: int) -> Field:
    """Return what a unit sees that sees a whole map."""
    seen = together([Field(spans=(field.span(unit),), step=0) for unit in range(size)])
    return Field(spans=seen.spans, step=0)


def _adapt(field: Field, size: int, output: int) -> Field:
    """Return the field behind adaptive pooling, whose windows overlap where the sizes do not divide."""
    if size % output == 0:
        return through_window(field, kernel_size=size // output, stride=size // output)
    windows = [(unit * size // output, -(-(unit + 1) * size // output)) for unit in range(output)]
    spans = [through_window(field, kernel_size=end - first, before=-first).span(0) for first, end in windows]
    return Field(spans=tuple(spans), step=math.ceil(field.stride * size))


def _upsample(field: Field, size: int, output: int, mode: str) -> Field:
    """Return the field behind nearest or linear interpolation by a whole factor."""
    factor, rest = divmod(output, size)
    if rest or mode not in ("nearest", "linear", "bilinear", "trilinear"):
        raise InputError(
            "receptive field", f"interpolation {mode!r} from {size} to {output} is not known", "use a factor"
        )
    if mode == "nearest":
        return through_up_window(field, kernel_size=factor, stride=factor)
    # Linear: unit i lies at (i + 1/2) / factor - 1/2 and reads the positions on both sides of it.
    return through_up_window(field, kernel_size=2 * factor - factor % 2, stride=factor, before=factor // 2)


def _crop(fields: Fields, size: tuple[int, ...], index: Any, ndim: int) -> Fields:
    """Return the fields behind slices of a map."""
    entries = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in entries:
        at = entries.index(Ellipsis)
        entries[at : at + 1] = [slice(None)] * (ndim - len(entries) + 1)
    entries += [slice(None)] * (ndim - len(entries))
    if len(entries) != ndim or not all(isinstance(entry, slice) for entry in entries[2:]):
        raise InputError("receptive field", f"the index {index} of a map is not known", "use slices")
    cuts = [entry.indices(n) for entry, n in zip(entries[2:], size, strict=True)]
    return tuple(
        through_window(f, kernel_size=1, stride=step, before=-start)
        for f, (start, _, step) in zip(fields, cuts, strict=True)
    )
