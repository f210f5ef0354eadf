"""The fully connected head of the first deep networks: hidden layers with dropout, then logits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import nn

from convworks.layers.pooling.pool import PoolTo

#: Builds the named modules of hidden layer `number` from its linear layer and the dropout rate.
Hidden = Callable[[int, nn.Linear, float], dict[str, nn.Module]]


def drops_outputs(number: int, linear: nn.Linear, rate: float) -> dict[str, nn.Module]:
    """Apply dropout to the output of the hidden layer."""
    return {f"hidden{number}": linear, f"relu{number}": nn.ReLU(), f"dropout{number}": nn.Dropout(rate)}


def drops_inputs(number: int, linear: nn.Linear, rate: float) -> dict[str, nn.Module]:
    """Apply dropout to the input of the hidden layer."""
    return {f"dropout{number}": nn.Dropout(rate), f"hidden{number}": linear, f"relu{number}": nn.ReLU()}


def classifier(
    channels: int, side: int, widths: Sequence[int], classes: int, *, hidden: Hidden, rate: float, first: int = 6
) -> nn.Sequential:
    """Return pooling to `side` x `side`, a hidden layer for each width, and logits.

    Hidden layers are numbered from `first`: networks with five stages of convolutions count theirs from 6.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(pool=PoolTo(side), flat=nn.Flatten())
    in_features = channels * side**2
    for number, width in enumerate(widths, start=first):
        layers |= hidden(number, nn.Linear(in_features, width), rate)
        in_features = width
    layers["logits"] = nn.Linear(in_features, classes)
    return nn.Sequential(layers)
