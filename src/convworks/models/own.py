"""Registration of user-defined networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

from torch import nn

from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models import NAMES, OWN
from convworks.models.catalogue import Facts, Shape

Builder = Callable[[Shape], nn.Module]
Makes = Literal["logits", "map of logits"]


@dataclass(frozen=True)
class NoTable:
    """The empty table row of a user-defined network."""


def network(
    name: str, *, channels: int, size: tuple[int, ...], classes: int = 10, makes: Makes = "logits"
) -> Callable[[Builder], Builder]:
    """Register a network under a name for `convworks.train(model=...)` and `convworks.load(...)`.

    Decorates a function (Shape) -> module that maps images [b, c, *size] to logits [b, k]; channels, size and classes
    are its defaults. One that `makes` a map of logits gives [b, k, height, width] instead, for masks. A module that is
    not a `Network` becomes the head of one. A bundle contains the name, not the code: the function must be registered
    before loading. Raises InputError for a name of the catalogue.
    """
    if name in NAMES:
        raise InputError("network", f"{name!r} is a network of the catalogue", "choose another name")

    def register(builder: Builder) -> Builder:
        def build(row: NoTable, shape: Shape) -> Network:
            module = builder(shape)
            return module if isinstance(module, Network) else Network(stem=nn.Identity(), stages={}, head=module)

        summary = (builder.__doc__ or "a network of one's own").strip().splitlines()[0]
        shape = Shape(classes=classes, channels=channels, size=size)
        network_facts = Facts(year=0, paper="", summary=summary, shape=shape, makes=makes)
        OWN[name] = SimpleNamespace(ROWS={name: NoTable()}, FACTS={name: network_facts}, build=build)
        return builder

    return register
