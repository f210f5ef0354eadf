"""A classifier as a convolution: on a larger image it returns a map of scores (lecture 001, from slide 25 on)."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.layers.heads.rbf import RBF
from convworks.layers.mode import evaluating
from convworks.layers.network import Network
from convworks.layers.normalisation.scale import Scale
from convworks.layers.pooling.pool import PoolTo
from convworks.layers.squash import ScaledTanh

POOLS = (PoolTo, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
ELEMENTWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Tanh, nn.Sigmoid, ScaledTanh,
    nn.Dropout, nn.Identity, Scale,
)  # fmt: skip
#: Layers that read feature vectors.
VECTORS = (RBF, nn.BatchNorm1d, nn.LayerNorm)
#: Minimum number of positions of a large kernel.
MANY = 16


class Pointwise(nn.Module):
    """Apply a module of feature vectors [b, f] at every position of a map [b, f, h, w]."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Float[Tensor, "b f h w"]) -> Float[Tensor, "b k h w"]:
        """Apply the module to every position as a separate sample."""
        batch, _, height, width = x.shape
        rows: Tensor = self.module(x.movedim(1, -1).flatten(0, 2))
        return rows.view(batch, height, width, -1).movedim(-1, 1)


class LargeKernel(nn.Conv2d):
    """A convolution whose kernel is nearly as large as its input: a matrix product with few, long rows."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h2 w2"]:
        """Convolve; for few positions on the CPU, as one matrix product, which is four times as fast."""
        (height, width), (h, w) = self.kernel_size, x.shape[2:]
        rows, columns = h - height + 1, w - width + 1
        few = 0 < rows <= height and 0 < columns <= width
        if x.device.type != "cpu" or not few or self.dilation != (1, 1) or height * width < MANY:
            return super().forward(x)
        patches = x.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)
        output = F.linear(patches.reshape(len(x) * rows * columns, -1), self.weight.flatten(1), self.bias)
        return output.view(len(x), rows, columns, -1).permute(0, 3, 1, 2)


def fully_convolutional(network: Network, channels: int, size: tuple[int, ...]) -> Network:
    """Return a network that outputs logits [b, k, rows, columns] for images of `size` and larger.

    On images of `size` it returns the logits of `network` as a 1x1 map. Entry (r, c) of a larger map is the output of
    the head for the features shifted by r rows and c columns; without padding in stem and stages, it is the output of
    `network` for the crop shifted by r and c times the network's stride. Stem and stages are the modules of `network`
    itself; fully connected layers become convolutions that share their memory (`to_convolution`). Raises InputError,
    naming the module, for a head other than pooling to a fixed size, flattening, then layers of feature vectors
    (nested sequences allowed), and for images that do not fit the network.
    """
    if network.links:
        raise InputError("network", "scores every pixel already", "give a classifier")
    images = next(network.parameters()).new_zeros(1, channels, *size)
    try:
        with evaluating(network), torch.no_grad():
            features = network.stages(network.stem(images))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise InputError("size", f"images of {size} do not pass through the network ({reason})", "give more") from error
    if features.ndim != 4:
        raise InputError("network", f"its stages give {tuple(features.shape)}, no map", "give a network for images")
    conversion = _Head(features.shape[1], (features.shape[2], features.shape[3]))
    head = conversion.convert("head", network.head)
    if not conversion.flat or conversion.side != (1, 1):
        raise InputError("head", "ends before it has one vector for an image", "flatten, then add a Linear")
    stages = OrderedDict(network.stages.named_children())
    dense = Network(stem=network.stem, stages=stages, head=head)
    dense.training, dense.stages.training = network.training, network.stages.training
    return dense


def convolutional_layers(head: nn.Module, channels: int) -> tuple[OrderedDict[str, nn.Module], int]:
    """Return the layers of a head for maps of any size, under the same names, and the channels of their output.

    The first fully connected layer becomes a convolution with the window that it has seen, the others 1x1 convolutions;
    they share their memory (`to_convolution`). Instead of being flattened, a map is padded with zeros, so that it keeps
    its size for odd windows; pooling to a fixed size is left out (Long et al. 2015, sections 3.1 and 4.1). Raises
    InputError, naming the module, for a layer that has no such form.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    named = list(head.named_children())
    linear = next((module for _, module in named if isinstance(module, nn.Linear)), None)
    side = 1 if linear is None else math.isqrt(linear.in_features // channels)
    for name, module in named:
        if isinstance(module, nn.Flatten):
            layers[name] = nn.ZeroPad2d(((side - 1) // 2, side // 2) * 2) if side > 1 else nn.Identity()
        elif isinstance(module, POOLS):
            layers[name] = nn.Identity()
        elif isinstance(module, nn.Conv2d):
            layers[name], channels = module, module.out_channels
        elif isinstance(module, nn.Linear) and module.in_features == channels * side**2:
            layers[name], channels, side = to_convolution(module, (side, side)), module.out_features, 1
        elif isinstance(module, (*ELEMENTWISE, nn.ZeroPad2d)):
            layers[name] = module
        else:
            reason = f"{type(module).__name__} has no form for maps of any size"
            raise InputError(f"head.{name}", reason, "cut the network before it")
    return layers, channels


def to_convolution(layer: nn.Linear, size: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> nn.Conv2d:
    """Return a fully connected layer on flattened maps of `size` as a convolution that shares its memory.

    In-place changes of weight or bias show in both; they are separate parameters with separate gradients. Raises
    InputError for a size that does not divide the inputs, and for weights that are not contiguous.
    """
    channels, rest = divmod(layer.in_features, size[0] * size[1])
    if rest:
        reason = f"{size[0]} x {size[1]} must divide the {layer.in_features} inputs of the layer"
        raise InputError("size", reason, "give the size of the maps that it flattens")
    weight = _rows(layer.weight).view(-1, channels, *size)
    with torch.device("meta"):
        convolution = LargeKernel(channels, layer.out_features, size, dilation=dilation, bias=layer.bias is not None)
    _share_parameters(convolution, layer, weight)
    return convolution


def to_fully_connected(convolution: nn.Conv2d) -> nn.Linear:
    """Return a convolution on maps as large as its kernel as a fully connected layer that shares its memory.

    Weights are shared as in `to_convolution`. Raises InputError for groups, and for weights that are not contiguous
    (channels_last), which cannot be viewed as rows of a fully connected layer.
    """
    if convolution.groups != 1:
        raise InputError("groups", f"groups={convolution.groups} must be 1", "a fully connected layer sees everything")
    weight = _rows(convolution.weight).flatten(1)
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[1], convolution.out_channels, bias=convolution.bias is not None)
    _share_parameters(layer, convolution, weight)
    return layer


def _rows(weight: Tensor) -> Tensor:
    """Return the values of a weight, or raise InputError if they cannot be viewed in another shape."""
    if not weight.is_contiguous():
        raise InputError(
            "weight",
            f"its strides {weight.stride()} leave no other shape on the same memory",
            "first .to(memory_format=torch.contiguous_format)",
        )
    return weight.detach()


def _share_parameters(new: nn.Module, old: nn.Linear | nn.Conv2d, weight: Tensor) -> None:
    """Give a layer parameters that share the memory of another layer, and its mode."""
    new.weight = nn.Parameter(weight, old.weight.requires_grad)
    if old.bias is not None:
        new.bias = nn.Parameter(old.bias.detach(), old.bias.requires_grad)
    new.training = old.training


class _Head:
    """Converts a head module by module; tracks the input map and whether it represents a flattened vector (`flat`).

    `side` is the size of the map for images of the published size, `spacing` the dilation between the values of a
    vector, in positions of larger maps.
    """

    def __init__(self, channels: int, side: tuple[int, int]) -> None:
        self.channels = channels
        self.side = side
        self.spacing = (1, 1)
        self.flat = False

    def convert(self, name: str, module: nn.Module) -> nn.Module:
        """Return a module for maps of any size."""
        if isinstance(module, nn.Sequential):
            parts = ((part, self.convert(f"{name}.{part}", layer)) for part, layer in module.named_children())
            converted: nn.Module = nn.Sequential(OrderedDict(parts))
        elif isinstance(module, ELEMENTWISE) or (isinstance(module, nn.BatchNorm2d) and not self.flat):
            return module
        elif isinstance(module, POOLS) and not self.flat and self.spacing == (1, 1):
            converted = self._pool(name, module)
        elif isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) in ((1, -1), (1, 3)):
            self.flat, converted = True, nn.Identity()
        elif isinstance(module, nn.Linear) and self.flat:
            converted = self._fully_connected(name, module)
        elif isinstance(module, VECTORS) and self.flat and self.side == (1, 1):
            converted = Pointwise(module)
        else:
            input_text = "features" if self.flat and self.side == (1, 1) else f"maps of {self.side[0]}x{self.side[1]}"
            raise InputError(
                name,
                f"{type(module).__name__} on {input_text} has no form for larger images",
                "use pooling, then Linear",
            )
        converted.training = module.training
        return converted

    def _fully_connected(self, name: str, layer: nn.Linear) -> nn.Conv2d:
        features = self.channels * self.side[0] * self.side[1]
        if layer.in_features != features:
            shape = f"{self.channels}x{self.side[0]}x{self.side[1]}"
            raise InputError(
                name,
                f"reads {layer.in_features} features, but images of this size give {shape} = {features}",
                "give the size that the network is made for",
            )
        converted = to_convolution(layer, self.side, self.spacing)
        self.channels, self.side, self.spacing = layer.out_features, (1, 1), (1, 1)
        return converted

    def _pool(self, name: str, module: nn.Module) -> nn.Module:
        """Return pooling with stride 1."""
        wanted = module.side if isinstance(module, PoolTo) else module.output_size
        targets = (wanted, wanted) if isinstance(wanted, int | None) else tuple(wanted)  # type: ignore[arg-type]
        height, width = self.side
        rows, columns = (n if target is None else target for n, target in zip(self.side, targets, strict=True))
        if height % rows or width % columns:
            reason = f"pools {height}x{width} to {rows}x{columns}, whose windows differ in size"
            raise InputError(name, reason, f"give an image whose map {rows} and {columns} divide")
        self.side, self.spacing = (rows, columns), (height // rows, width // columns)
        if self.spacing == (1, 1):
            return nn.Identity()
        pool = nn.MaxPool2d if isinstance(module, nn.AdaptiveMaxPool2d) else nn.AvgPool2d
        return pool(self.spacing, stride=1)
