"""Networks of your own beside those of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

from torch import nn

from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models import NAMES, OWN
from convworks.models.catalogue import Facts, Shape

Builder = Callable[[Shape], nn.Module]


@dataclass(frozen=True)
class NoTable:
    """The table row of a network that has nothing to vary."""


def network(name: str, *, channels: int, size: tuple[int, ...], classes: int = 10) -> Callable[[Builder], Builder]:
    """Give a network of your own a name, by which `convworks.train(model=...)` and `convworks.load(...)` know it.

    It decorates a function (Shape) -> module that turns images [b, c, *size] into logits [b, k]; channels, size and
    classes are those that it is made for. A module that is no `Network` becomes the head of one. A bundle holds the
    name, not the code: where it is loaded, the function must have been decorated before. Raises InputError for a
    name of the catalogue.
    """
    if name in NAMES:
        raise InputError("network", f"{name!r} is a network of the catalogue", "choose another name")

    def register(builder: Builder) -> Builder:
        def build(row: NoTable, shape: Shape) -> Network:
            made = builder(shape)
            return made if isinstance(made, Network) else Network(stem=nn.Identity(), stages={}, head=made)

        summary = (builder.__doc__ or "a network of one's own").strip().splitlines()[0]
        shape = Shape(classes=classes, channels=channels, size=size)
        known = Facts(year=0, paper="", summary=summary, shape=shape)
        OWN[name] = SimpleNamespace(ROWS={name: NoTable()}, FACTS={name: known}, build=build)
        return builder

    return register
