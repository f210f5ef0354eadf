"""`convworks.create`: an untrained network by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convworks.errors import brief

if TYPE_CHECKING:
    from convworks.layers.network import Network


@brief
def create(
    name: str, *, classes: int | None = None, channels: int | None = None, size: int | Sequence[int] | None = None
) -> Network:
    """Build a network with random weights (of torch's generator): `convworks.create("resnet18", classes=10)`.

    Classes, channels and size of the input (one number for a square) are by default the published ones. The network
    maps normalised images [b, c, *size] to logits [b, classes]. Raises InputError for an unknown name, and for images
    too small for the network.
    """
    from convworks.models import family
    from convworks.models.catalogue import Shape, facts
    from convworks.models.catalogue import create as build

    family(name)
    published = facts(name).shape
    sides = (size,) * len(published.size) if isinstance(size, int) else size
    shape = Shape(
        classes=published.classes if classes is None else classes,
        channels=published.channels if channels is None else channels,
        size=published.size if sides is None else tuple(sides),
    )
    return build(name, shape)
