"""LeNet-5: LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998, section II."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convworks.layers.heads.rbf import RBF
from convworks.layers.network import Network
from convworks.layers.partial import PartialConv2d
from convworks.layers.pooling.pool import PoolTo
from convworks.layers.squash import ScaledTanh, Subsample
from convworks.models.catalogue import Facts, Shape

# Table I: the maps of S2 that each of the 16 maps of C3 reads. It breaks the symmetry and keeps the network small.
CONNECTIONS = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip

# Figure 3: the 7x12 stylised digits that the output units compare F6 with, row by row.
DIGITS = (
    ".#####. ....... ..###.. .##.##. ##...## ##...## ##...## ##...## .##.##. ..###.. ....... .......",
    "...##.. ..###.. .####.. ...##.. ...##.. ...##.. ...##.. ...##.. ...##.. .###### ....... .......",
    ".#####. ....... .#####. ##...## #....## ....##. ..###.. .##.... ##..... ####### ....... .......",
    "####### .....## ....##. ...##.. ..####. .....## .....## .....## ##...## .#####. ....... .......",
    ".#####. ....... ....... .##..## .##..## ###..## ##...## ##...## ##..### .###### .....## .....##",
    ".#####. ....... ####### ##..... ##..... .####.. ..####. .....## ##...## .#####. ....... .......",
    "..####. .##.... ##..... ##..... #####.. ###..## ##...## ##...## ###..## .#####. ....... .......",
    "####### .....## .....## ....##. ...##.. ...##.. ..##... ..##... ..##... ..##... ....... .......",
    ".#####. ##...## ##...## ##...## .#####. ##...## ##...## ##...## ##...## .#####. ....... .......",
    ".#####. ##..### ##...## ##...## ##..### .###### .....## .....## ....##. .####.. ....... .......",
)


@dataclass(frozen=True, kw_only=True)
class LeNet:
    """A row: the maps of C1, C3 and C5, the units of F6, and the parts that variants replace."""

    maps: tuple[int, int, int] = (6, 16, 120)
    features: int = 84
    second: str
    subsampling: str
    activation: str
    output: str


def partial(in_channels: int, out_channels: int) -> nn.Module:
    """Return C3 of 1998, partially connected to S2 by the table."""
    return PartialConv2d(in_channels, CONNECTIONS, 5)


def dense(in_channels: int, out_channels: int) -> nn.Module:
    """Return C3 connected to every map."""
    return nn.Conv2d(in_channels, out_channels, 5)


def rbf(features: int, classes: int) -> nn.Module:
    """Return the output layer of 1998: distances to the stylised digits, or to random codes (section II.B)."""
    return RBF(codes(features, classes).to(torch.get_default_device()))


SECOND: dict[str, Callable[[int, int], nn.Module]] = {"partial": partial, "dense": dense}
SUBSAMPLING: dict[str, Callable[[int], nn.Module]] = {
    "trainable": lambda channels: nn.Sequential(Subsample(channels), ScaledTanh()),
    "max": lambda channels: nn.MaxPool2d(2),
}
ACTIVATION: dict[str, Callable[[], nn.Module]] = {"scaled_tanh": ScaledTanh, "relu": nn.ReLU}
OUTPUT: dict[str, Callable[[int, int], nn.Module]] = {"rbf": rbf, "linear": nn.Linear}

ROWS = {
    "lenet5": LeNet(second="partial", subsampling="trainable", activation="scaled_tanh", output="rbf"),
    "lenet5_modern": LeNet(second="dense", subsampling="max", activation="relu", output="linear"),
}

FACTS = {
    "lenet5": Facts(
        year=1998,
        paper="LeCun et al., Gradient-Based Learning Applied to Document Recognition",
        summary="the network of 1998: partial C3 table, trainable subsampling, scaled tanh, RBF output",
        shape=Shape(classes=10, channels=1, size=(32, 32)),
        published_error="0.95 % on MNIST, 0.8 % with distortions",
    ),
    "lenet5_modern": Facts(
        year=1998,
        paper="LeCun et al., Gradient-Based Learning Applied to Document Recognition",
        summary="the sizes of LeNet-5 with dense C3, max pooling, ReLU and a linear output",
        shape=Shape(classes=10, channels=1, size=(32, 32)),
        differs="as most libraries build it: 61,706 parameters instead of 60,000",
    ),
}


def build(row: LeNet, shape: Shape) -> Network:
    """Build a row with the paper's names for its layers."""
    c1, c3, c5 = row.maps
    stem = nn.Sequential(OrderedDict(c1=nn.Conv2d(shape.channels, c1, 5), squash=ACTIVATION[row.activation]()))
    stages = {
        "s2": SUBSAMPLING[row.subsampling](c1),
        "c3": nn.Sequential(SECOND[row.second](c1, c3), ACTIVATION[row.activation]()),
        "s4": SUBSAMPLING[row.subsampling](c3),
        "c5": nn.Sequential(nn.Conv2d(c3, c5, 5), ACTIVATION[row.activation]()),
    }
    head = nn.Sequential(
        OrderedDict(
            # C5 is 1x1 on 32x32 images, where this is the identity; larger images give a map of positions.
            pool=PoolTo(1),
            flat=nn.Flatten(),
            f6=nn.Linear(c5, row.features),
            features=ACTIVATION[row.activation](),
            logits=OUTPUT[row.output](row.features, shape.classes),
        )
    )
    network = Network(stem=stem, stages=stages, head=head)
    if row.activation == "scaled_tanh":
        _initialise(network)
    return network


def codes(features: int, classes: int) -> Tensor:
    """Return the +1/-1 code of each class: the stylised digits for ten classes of 84 features, else random ones."""
    if (features, classes) == (84, 10):
        bits = ["".join(digit.split()) for digit in DIGITS]
        return torch.tensor([[1.0 if bit == "#" else -1.0 for bit in row] for row in bits], device="cpu")
    generator = torch.Generator().manual_seed(1998)
    return torch.randint(2, (classes, features), generator=generator, device="cpu") * 2.0 - 1.0


def _initialise(network: Network) -> None:
    """Sample every weight from U(-2.4/F, 2.4/F), F being the number of inputs of the unit (appendix A)."""
    for module in network.modules():
        if isinstance(module, PartialConv2d):
            bounds = [2.4 / fan_in for fan_in in module.fan_in for _ in range(fan_in // module.kernel_size**2)]
            with torch.no_grad():
                scale = torch.tensor(bounds, device=module.weight.device)
                module.weight.uniform_(-1, 1).mul_(scale[:, None, None])
        elif isinstance(module, Subsample):
            nn.init.uniform_(module.weight, -2.4 / 4, 2.4 / 4)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            nn.init.uniform_(module.weight, -2.4 / fan_in, 2.4 / fan_in)
        else:
            continue
        bias = module.bias
        if bias is not None:
            nn.init.zeros_(bias)
