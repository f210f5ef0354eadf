"""A classifier as a convolution: on a larger image it gives a map of scores (lecture 001, from slide 25 on)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.layers.pool import PoolTo

POOLS = (PoolTo, nn.AdaptiveAvgPool2d)
ELEMENTWISE = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.Dropout, nn.Identity)


class Pointwise(nn.Module):
    """A module of feature vectors [b, f], applied at every position of a map [b, f, h, w]."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Float[Tensor, "b f h w"]) -> Float[Tensor, "b k h w"]:
        """Apply the module to every position as if it were a sample of its own."""
        batch, _, height, width = x.shape
        rows: Tensor = self.module(x.movedim(1, -1).flatten(0, 2))
        return rows.view(batch, height, width, -1).movedim(-1, 1)


def fully_convolutional(network: Network, channels: int, size: tuple[int, ...]) -> Network:
    """Return a network that gives logits [b, k, rows, columns] for images of `size` and all larger ones.

    On images of `size` it gives the logits of `network` as a 1x1 map. An entry (r, c) of a larger map is what the
    head makes of the features that begin r rows and c columns further; without padding in stem and stages, it is what
    `network` gives for the crop that begins r and c times the network's stride further. Stem, stages and all weights
    are shared with `network`. Raises InputError for a head that is not pooling to a fixed size, flattening and layers.
    """
    images = next(network.parameters()).new_zeros(1, channels, *size)
    was_training = network.training
    with torch.no_grad():
        features = network.eval().stages(network.stem(images))
    network.train(was_training)
    side, spacing = (features.shape[2], features.shape[3]), (1, 1)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    flat = False
    for name, module in network.head.named_children():
        if isinstance(module, POOLS):
            pool, side, spacing = _pool(name, module, side)
            layers[name] = pool
        elif isinstance(module, nn.Flatten):
            layers[name] = nn.Identity()
        elif isinstance(module, nn.Linear):
            layers[name] = to_convolution(module, (1, 1) if flat else side, (1, 1) if flat else spacing)
            flat = True
        else:
            layers[name] = module if isinstance(module, ELEMENTWISE) else Pointwise(module)
    stages = OrderedDict(network.stages.named_children())
    return Network(stem=network.stem, stages=stages, head=nn.Sequential(layers)).train(was_training)


def to_convolution(layer: nn.Linear, size: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> nn.Conv2d:
    """Return a fully connected layer on flattened maps of `size` as a convolution that shares its weights."""
    channels, rest = divmod(layer.in_features, size[0] * size[1])
    if rest:
        reason = f"{size[0]} x {size[1]} must divide the {layer.in_features} inputs of the layer"
        raise InputError("size", reason, "give the size of the maps that it flattens")
    with torch.device("meta"):
        convolution = nn.Conv2d(channels, layer.out_features, size, dilation=dilation, bias=layer.bias is not None)
    convolution.weight = nn.Parameter(layer.weight.detach().view(-1, channels, *size), layer.weight.requires_grad)
    if layer.bias is not None:
        convolution.bias = layer.bias
    return convolution


def to_fully_connected(convolution: nn.Conv2d) -> nn.Linear:
    """Return a convolution on maps as large as its kernel as a fully connected layer that shares its weights."""
    if convolution.groups != 1:
        raise InputError("groups", f"groups={convolution.groups} must be 1", "a fully connected layer sees everything")
    with torch.device("meta"):
        layer = nn.Linear(convolution.weight[0].numel(), convolution.out_channels, bias=convolution.bias is not None)
    layer.weight = nn.Parameter(convolution.weight.detach().flatten(1), convolution.weight.requires_grad)
    if convolution.bias is not None:
        layer.register_parameter("bias", nn.Parameter(convolution.bias))
    return layer


def _pool(name: str, module: nn.Module, side: tuple[int, ...]) -> tuple[nn.Module, tuple[int, int], tuple[int, int]]:
    """Return pooling that slides by one position, the size that it pools to, and the distance of its windows."""
    wanted = module.side if isinstance(module, PoolTo) else module.output_size
    target = (wanted, wanted) if isinstance(wanted, int) else tuple(wanted)  # type: ignore[arg-type]
    height, width = side
    if height % target[0] or width % target[1]:
        reason = f"pools {height}x{width} to {target[0]}x{target[1]}, whose windows differ in size"
        raise InputError(f"head.{name}", reason, f"give an image whose map {target[0]} and {target[1]} divide")
    window = (height // target[0], width // target[1])
    if window == (1, 1):
        return nn.Identity(), (target[0], target[1]), window
    return nn.AvgPool2d(window, stride=1), (target[0], target[1]), window
