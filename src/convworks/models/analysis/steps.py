"""One-line descriptions of layers for a diagram: operation, window, channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from convworks.layers.partial import PartialConv2d
from convworks.models.analysis.layer_table import option
from convworks.models.analysis.trace import Call

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, PartialConv2d)
UP_CONVOLUTIONS = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
#: Layers that are shown as a note of the layer before, by prefix of the class name.
NOTES = {
    "BatchNorm": "batch norm", "LayerNorm": "layer norm", "GroupNorm": "group norm", "InstanceNorm": "instance norm",
    "LocalResponseNorm": "LRN", "ReLU": "ReLU", "LeakyReLU": "leaky ReLU", "ScaledTanh": "tanh", "Tanh": "tanh",
    "Sigmoid": "sigmoid", "Softmax": "softmax", "LogSoftmax": "log softmax", "Softplus": "softplus",
}  # fmt: skip
#: Functions that a module applies besides its children, and their notes.
FUNCTIONS = {"relu": "ReLU", "relu_": "ReLU", "tanh": "tanh", "sigmoid": "sigmoid"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A layer of a diagram: `kind` is convolution, up, pool, full, other, or note (of the layer before).

    `title` is like `3x3 conv, 64`, `notes` like (`batch norm`, `ReLU`), `output` is its output shape.
    """

    kind: str
    title: str
    notes: tuple[str, ...] = ()
    output: tuple[int, ...]

    def with_note(self, note: Step) -> Step:
        """Return this step with the title of another in its notes."""
        return replace(self, notes=(*self.notes, note.title), output=note.output)


def step(call: Call) -> Step | None:
    """Describe a call of a module without children; None if it only reshapes."""
    kind, title = _described(call)
    return Step(kind=kind, title=title, output=call.output) if title else None


def functions(call: Call) -> list[Step]:
    """Describe the functions that a module applies to the output of its children."""
    names = [FUNCTIONS[name] for name in call.functions if name in FUNCTIONS]
    return [Step(kind="note", title=name, output=call.output) for name in names]


def _described(call: Call) -> tuple[str, str]:
    module, name, rank = call.module, type(call.module).__name__, len(call.output) - 1
    size = option(module, "kernel_size", rank)
    stride = option(module, "stride", rank) or (1,) * rank
    stride_text = "" if set(stride) <= {1} else f" /{sides(stride)}"
    if isinstance(module, CONVOLUTIONS):
        window = f"{sides(size, True)} conv" if rank > 1 else f"conv {size[0]}"
        return "convolution", f"{window}, {call.output[0]}{stride_text}{_groups(call)}"
    if isinstance(module, UP_CONVOLUTIONS):
        return "up", f"{sides(size, True)} up-conv, {call.output[0]}" + (f" x{sides(stride)}" if stride_text else "")
    if hasattr(module, "out_features") or name == "RBF":
        return "full", f"{'RBF units' if name == 'RBF' else 'fully connected'}, {call.output[0]}"
    if name.startswith("Embedding") or name == "WordVectors":
        return "other", f"word vectors, {call.output[0] if name == 'WordVectors' else call.output[-1]}"
    for beginning, words in NOTES.items():
        if re.fullmatch(rf"{beginning}(?:alisation|alization)?(?:\d?d)?", name):
            return "note", words
    if "Dropout" in name:
        return "note", f"dropout {getattr(module, 'p', '')}".strip() if getattr(module, "p", 1) else ""
    if name in ("Flatten", "Unflatten", "Identity") or (call.output == call.input and not call.new):
        return "", ""
    if "Pad" in name and not list(module.parameters()) and call.output[0] > call.input[0]:
        return "shortcut", f"zero channels{stride_text}"
    return _resized(call, name, size, stride, stride_text)


def _resized(
    call: Call, name: str, size: tuple[int, ...], stride: tuple[int, ...], stride_text: str
) -> tuple[str, str]:
    """Describe pooling and other resizing layers by name and shapes."""
    resized = len(call.output) == len(call.input) and call.output != call.input
    if "Pool" in name:
        reduction = "max" if "Max" in name else "average"
        if "Unpool" in name:
            return "up", f"{sides(size, True)} unpooling"
        if size and not name.startswith("Adaptive"):
            return "pool", (
                f"{sides(size, True)} {reduction} pool" if len(size) > 1 else f"{reduction} pool {size[0]}"
            ) + stride_text
        if set(call.output[1:]) <= {1}:
            return "pool", f"global {reduction} pool"
        return "pool", f"{reduction} pool to {sides(call.output[1:], True)}"
    if (
        resized
        and call.output[0] == call.input[0]
        and all(i % o == 0 for i, o in zip(call.input[1:], call.output[1:], strict=True))
    ):
        factor = tuple(i // o for i, o in zip(call.input[1:], call.output[1:], strict=True))
        return "pool", f"{sides(factor, True)} {_words(name)}"
    pairs = list(zip(call.input[1:], call.output[1:], strict=True)) if resized else []
    cropped = max(stride, default=1) > 1 and all(o >= i for i, o in pairs)  # to the size of the images
    if resized and call.output[0] == call.input[0] and (cropped or all(o % i == 0 for i, o in pairs)):
        factor = stride if cropped else tuple(o // i for i, o in pairs)
        mode = getattr(call.module, "mode", "")
        return "up", f"{mode} ".lstrip() + f"upsampling x{sides(factor)}"
    return "other", _words(name)


def sides(values: Sequence[int], window: bool = False) -> str:
    """Format sizes along the axes as 3x3; equal ones, unless a window, as one number."""
    return str(values[0]) if not window and len(set(values)) == 1 else "x".join(map(str, values))


def _groups(call: Call) -> str:
    groups = getattr(call.module, "groups", 1)
    dilation = option(call.module, "dilation", 1) or (1,)
    parts = [f", {groups} groups"] if groups > 1 else []
    parts += [", partial"] if isinstance(call.module, PartialConv2d) else []
    parts += [f", dilation {sides(dilation)}"] if set(dilation) != {1} else []
    return "".join(parts)


def _words(name: str) -> str:
    """Split the name of a class into words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[123]d$", "", name)).lower() if not name.isupper() else name
