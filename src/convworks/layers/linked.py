"""Modules in sequence of which some also read what earlier ones computed: skip connections across stages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor, nn

#: The input of the network, as something that can be read.
IMAGES = "images"
#: By tap, the taps whose outputs it reads besides its input.
Links = Mapping[str, tuple[str, ...]]


class Linked(nn.Sequential):
    """A sequence whose children are at the taps `prefix` + name.

    The outputs at the taps in `keeps` are added to what is kept; a child that has links reads those after its input.
    """

    def __init__(self, children: Mapping[str, nn.Module], prefix: str, links: Links, keeps: Collection[str]) -> None:
        super().__init__(OrderedDict(children))
        self.prefix = prefix
        self.links = links
        self.keeps = frozenset(keeps)

    def forward(
        self, x: Float[Tensor, "b c *size"], kept: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "b d *out"]:
        """Run the children in order; what is kept of them is added to `kept`."""
        kept = {} if kept is None else kept
        for name, module in self.named_children():
            tap = self.prefix + name
            x = run(module, x, kept) if tap not in self.links else module(x, *(kept[each] for each in self.links[tap]))
            if tap in self.keeps:
                kept[tap] = x
        return x


def run(module: nn.Module, x: Tensor, kept: dict[str, Tensor]) -> Tensor:
    """Run a part of a network, which may keep outputs and read them."""
    output: Tensor = module(x, kept) if isinstance(module, Linked) else module(x)
    return output


def kept_taps(links: Links) -> frozenset[str]:
    """Return the taps that are read elsewhere."""
    return frozenset(tap for taps in links.values() for tap in taps)


C = TypeVar("C", bound=nn.Module)


def linked(chain: C, prefix: str, links: Links) -> C | Linked:
    """Return a sequence with its links, of the same children; what has none is returned itself."""
    if not isinstance(chain, nn.Sequential):
        return chain
    keeps, children = kept_taps(links), dict(chain.named_children())
    taps = {prefix + name for name in children}
    within = any(isinstance(child, Linked) for child in children.values())
    return Linked(children, prefix, links, keeps & taps) if within or taps & (keeps | links.keys()) else chain
