"""The part of a network up to a tap."""

from __future__ import annotations

from torch import nn

from convworks.errors import InputError, nearest
from convworks.layers.hourglass import Hourglass
from convworks.layers.network import Network


def cut_points(network: Network) -> dict[str, nn.Module]:
    """Return the taps at which a network can be cut, with their modules, in the order of computation.

    These are the taps that everything after them depends on: the `down` parts of an hourglass are among them, its
    `across`, `rise` and `up` parts are not, nor are the members of an ensemble.
    """
    taps: dict[str, nn.Module] = {"stem": network.stem}
    for name, stage in network.stages.named_children():
        if isinstance(stage, nn.Sequential):
            taps |= {f"{name}.{block}": module for block, module in stage.named_children()}
        elif isinstance(stage, Hourglass):
            taps |= {f"{name}.{part}": module for part, module in stage.named_children() if part.startswith("down")}
        taps[name] = stage
    if isinstance(network.head, nn.Sequential):
        taps |= {f"head.{name}": module for name, module in network.head.named_children()}
    return taps


def check_cut(network: Network, tap: str, where: str = "model.cut") -> None:
    """Raise InputError for an unknown tap, or one at which the network cannot be cut."""
    taps = cut_points(network)
    if tap in taps:
        return
    remedy = f"valid taps: {', '.join(taps)}"
    if tap in network.taps:
        raise InputError(where, f"{tap} is not the only input to the rest of the network", remedy)
    raise InputError(where, f"there is no tap {tap!r}{nearest(tap, taps)}", remedy)


def body(network: Network, tap: str) -> Network:
    """Return the part of a network that computes the activation at a tap, under the same names, without logits.

    It shares its modules with the network. Raises InputError if the network cannot be cut there.
    """
    check_cut(network, tap)
    first, _, part = tap.partition(".")
    if first == "head":
        return _network(network, dict(network.stages.named_children()), _children_up_to(network.head, part))
    stages: dict[str, nn.Module] = {}
    for name, stage in network.stages.named_children():
        if first == "stem":
            break
        stages[name] = _children_up_to(stage, part) if name == first and part else stage
        if name == first:
            break
    return _network(network, stages, nn.Sequential())


def default_cut(network: Network, *, encoder: bool = False) -> str:
    """Return the tap before the logits layer; for networks that output images (`encoder`), the end of the encoder.

    Raises InputError if there is no such tap.
    """
    taps = tuple(cut_points(network))
    if encoder:
        return end_of_encoder(network)
    # What reads finer maps comes after the logits of the coarsest.
    named = network.head.named_children()
    parts = [name for name, part in named if part.state_dict() and f"head.{name}" not in network.links]
    if not parts:
        reason = "the logits do not come from a layer of the head, so there is no default cut"
        raise InputError("model.cut", reason, f"name one: {', '.join(taps)}")
    return taps[taps.index(f"head.{parts[-1]}") - 1]


def end_of_encoder(network: Network) -> str:
    """Return the tap of the coarsest map: before anything rises again, and before the head."""
    taps = tuple(cut_points(network))
    down = [tap for tap in taps if ".down" in tap]
    rising = {tap.partition(".")[0] for tap in network.links}
    stages = [name for name, _ in network.stages.named_children() if name not in rising]
    return down[-1] if down else "encoder" if "encoder" in stages else stages[-1] if stages else "stem"


def _children_up_to(chain: nn.Module, name: str) -> nn.Sequential:
    """Return the children up to `name`, a chain in which each reads the output of the one before."""
    children = nn.Sequential()
    for child, module in chain.named_children():
        if not isinstance(chain, Hourglass) or child.startswith("down"):
            children.add_module(child, module)
        if child == name:
            break
    return children


def _network(network: Network, stages: dict[str, nn.Module], head: nn.Module) -> Network:
    chains = [*((f"{name}.", stage) for name, stage in stages.items()), ("", nn.ModuleDict(stages)), ("head.", head)]
    taps = {prefix + name for prefix, chain in chains for name, _ in chain.named_children()}
    links = {tap: read for tap, read in network.links.items() if tap in taps}
    return Network(stem=network.stem, stages=stages, head=head, links=links)
