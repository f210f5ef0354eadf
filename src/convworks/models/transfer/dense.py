"""Networks that score every pixel, on what is kept of a network: U-Net, FCN, or a linear layer at every position."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convworks.errors import InputError
from convworks.layers.cut import cut_points, default_cut, end_of_encoder
from convworks.layers.draw import he_normal
from convworks.layers.fully_convolutional import convolutional_layers
from convworks.layers.linked import IMAGES
from convworks.layers.network import Network
from convworks.layers.rise import Enlarge, Fuse, RiseBeside, RiseTo
from convworks.models.catalogue import Shape
from convworks.models.transfer.head_config import FCN, DenseHead, PixelHead, UNetHead

#: Standard deviation of the initial weights of new logits: training starts from nearly uniform predictions.
DEVIATION = 0.01
#: By how much an image is enlarged to measure strides: what divides it is measured exactly.
GROWTH = 192
DECODER = "decoder"


@dataclass(frozen=True, kw_only=True)
class Map:
    """A map inside a network: its tap, channels and size, and how many pixels of the image a step in it is."""

    tap: str
    channels: int
    size: tuple[int, ...]
    stride: int


def dense_cut(network: Network, head: DenseHead) -> str:
    """Return the tap at which a network is cut for a head: the end of its encoder, or what its logits read."""
    return end_of_encoder(network) if isinstance(head, UNetHead) else default_cut(network)


def dense(trunk: Network, head: DenseHead, shape: Shape) -> Network:
    """Return a network that scores every pixel of images of any size: what is kept of a network, and a new head.

    Weights are shared under the same names; those of fully connected layers become convolutions (FCN). Pooling without
    overlap rounds odd sizes up, as strided convolutions with padding do, so that every map is a window of its scale and
    what rises is cropped at the end. Raises InputError for a network without maps.
    """
    trunk = _rounding_up(trunk)
    match head:
        case PixelHead():
            return _pixel(trunk, shape)
        case UNetHead():
            return _unet(trunk, head, shape)
        case FCN():
            return _fcn(trunk, head, shape)


def _pixel(trunk: Network, shape: Shape) -> Network:
    last = maps(trunk, shape)[-1]
    layers, channels = convolutional_layers(trunk.head, last.channels)
    return _with_head(trunk, layers, {"logits": _logits(channels, shape.classes)}, last.stride)


def _unet(trunk: Network, head: UNetHead, shape: Shape) -> Network:
    """Add a stage that rises from scale to scale, each beside the last map of the next finer one."""
    *finer, coarsest = _last_of_each(maps(trunk, shape))
    steps: OrderedDict[str, nn.Module] = OrderedDict()
    links: dict[str, tuple[str, ...]] = dict(trunk.links)
    channels, stride = coarsest.channels, coarsest.stride
    for number, skip in sorted(((_scale(each.stride), each) for each in finer), key=lambda pair: -pair[0]):
        width = head.widths[min(number, len(head.widths)) - 1]
        name = f"up{number}"
        steps[name] = RiseBeside(_twice(skip.channels + channels, width), stride // skip.stride)
        links[f"{DECODER}.{name}"] = (skip.tap,)
        channels, stride = width, skip.stride
    if not finer or finer[0].size != shape.size:  # no map has the size of the images
        name = "up0" if "up1" in steps else "up1"
        steps[name] = RiseTo(_twice(channels, head.widths[0]), stride)
        links[f"{DECODER}.{name}"] = (IMAGES,)
        channels = head.widths[0]
    decoder = nn.Sequential(steps)
    he_normal(decoder)
    stages = {**dict(trunk.stages.named_children()), DECODER: decoder}
    new_head = nn.Sequential(OrderedDict(logits=_logits(channels, shape.classes)))
    return Network(stem=trunk.stem, stages=stages, head=new_head, links=links)


def _fcn(trunk: Network, head: FCN, shape: Shape) -> Network:
    """Add scores of the coarsest map, and of finer ones, whose sum is interpolated."""
    measured = maps(trunk, shape)
    layers, channels = convolutional_layers(trunk.head, measured[-1].channels)
    finer = _stages_first(measured)[:-1][::-1][: head.skips]
    if len(finer) < head.skips:
        strides = ", ".join(str(each.stride) for each in _last_of_each(measured))
        reason = f"{head.kind} adds scores of {head.skips} finer scales, but the strides of the network are {strides}"
        raise InputError("--head", reason, "take fcn32s, or another network")
    new: dict[str, nn.Module] = {"logits": _logits(channels, shape.classes)}
    links: dict[str, tuple[str, ...]] = {}
    stride = measured[-1].stride
    for skip in finer:
        fuse = Fuse(shape.classes, skip.channels)
        _start_small(fuse.score)
        name = f"fuse{skip.stride}"
        new[name], links[name], stride = fuse, (skip.tap,), skip.stride
    return _with_head(trunk, layers, new, stride, links)


def _with_head(
    trunk: Network,
    layers: Mapping[str, nn.Module],
    new: Mapping[str, nn.Module],
    stride: int,
    links: Mapping[str, tuple[str, ...]] | None = None,
) -> Network:
    """Return a network with new layers after those of its head, interpolated to the size of the images."""
    parts, all_links = dict(layers), dict(trunk.links)
    enlarge: dict[str, nn.Module] = {"enlarge": Enlarge(stride)} if stride > 1 else {}
    for name, module in {**new, **enlarge}.items():
        free = free_name(name, parts)
        parts[free] = module
        if name in (links or {}):
            all_links[f"head.{free}"] = (links or {})[name]
        elif name in enlarge:
            all_links[f"head.{free}"] = (IMAGES,)
    stages = dict(trunk.stages.named_children())
    return Network(stem=trunk.stem, stages=stages, head=nn.Sequential(OrderedDict(parts)), links=all_links)


def free_name(name: str, parts: Iterable[str]) -> str:
    """Return a name that is free: with existing logits, new ones are logits2."""
    existing, number, candidate = set(parts), 2, name
    while candidate in existing:
        candidate, number = f"{name}{number}", number + 1
    return candidate


def maps(trunk: Network, shape: Shape) -> list[Map]:
    """Return the maps at the taps of stem and stages, in the order of computation.

    Strides are measured on two sizes of images. Raises InputError for what is no map, or has no fixed stride.
    """
    taps = [tap for tap in cut_points(trunk) if not tap.startswith("head.")]
    larger = tuple(side + GROWTH for side in shape.size)
    sizes = [_sizes(trunk, taps, shape.channels, size) for size in (shape.size, larger)]
    measured = []
    for tap in taps:
        small, large = (each[tap] for each in sizes)
        grown = [b - a for a, b in zip(small[2:], large[2:], strict=True)] if len(small) == len(large) == 4 else [0]
        if len(set(grown)) > 1 or grown[0] <= 0 or GROWTH % grown[0]:
            reason = f"{tap} gives {'x'.join(map(str, small[1:]))}, no map that grows with the image"
            raise InputError("model.cut", reason, "cut the network where its maps are")
        measured.append(Map(tap=tap, channels=small[1], size=tuple(small[2:]), stride=GROWTH // grown[0]))
    return measured


def _sizes(trunk: Network, taps: Sequence[str], channels: int, size: Sequence[int]) -> dict[str, torch.Size]:
    """Return the shapes of activations for one image, computed on the meta device."""
    shapes: dict[str, torch.Size] = {}
    links = {tap: read for tap, read in trunk.links.items() if not tap.startswith("head.")}
    stages = dict(trunk.stages.named_children())
    whole = Network(stem=trunk.stem, stages=stages, head=nn.Sequential(), links=links).eval()
    empty = {name: torch.empty_like(tensor, device="meta") for name, tensor in _tensors(whole).items()}

    def note(tap: str) -> Any:
        return lambda _module, _inputs, output: shapes.__setitem__(tap, output.shape)

    handles = [whole.tapped(tap).register_forward_hook(note(tap)) for tap in taps]
    try:
        with torch.no_grad(), torch.device("meta"):
            functional_call(whole, empty, torch.zeros(1, channels, *size))
    except RuntimeError:
        reason = f"what is kept does not take {'x'.join(map(str, size))} pixels: it is made for one size"
        raise InputError("model.cut", reason, "cut the network where its maps are") from None
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def _tensors(network: Network) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _last_of_each(measured: Sequence[Map]) -> list[Map]:
    """Return the last map of each stride, the finest first; the last of all is the coarsest."""
    return list({each.stride: each for each in measured}.values())


def _stages_first(measured: Sequence[Map]) -> list[Map]:
    """Return a map of each stride, the finest first: the last that ends a stage, as pooled maps do, else the last."""
    ends = {each.stride: each for each in measured if "." not in each.tap}
    return [ends.get(each.stride, each) for each in _last_of_each(measured)]


def _scale(stride: int) -> int:
    """Return the number of a scale: 1 for the size of the images, 2 for half of it, and so on."""
    return max(1, stride.bit_length())


def _twice(in_channels: int, width: int) -> nn.Sequential:
    """Return two 3x3 convolutions, each followed by batch normalisation and ReLU."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, channels in enumerate((in_channels, width), start=1):
        layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        layers[f"norm{number}"] = nn.BatchNorm2d(width)
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def _logits(channels: int, classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, classes, 1)
    _start_small(layer)
    return layer


def _start_small(layer: nn.Conv2d) -> None:
    """Draw weights near zero: at first, all classes are about as probable, and a skip connection adds little."""
    nn.init.normal_(layer.weight, 0.0, DEVIATION)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


def _rounding_up(trunk: Network) -> Network:
    """Return the same network, with the same weights, whose pooling without overlap rounds odd sizes up."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in _tensors(trunk).values()}
    copied = copy.deepcopy(trunk, shared)
    for module in copied.modules():
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and module.kernel_size == (module.stride or 0):
            module.ceil_mode = True
    return copied
