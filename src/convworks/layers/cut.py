"""The part of a network up to a tap."""

from __future__ import annotations

from torch import nn

from convworks.errors import InputError, nearest
from convworks.layers.hourglass import Hourglass
from convworks.layers.network import Network


def places(network: Network) -> dict[str, nn.Module]:
    """Return the taps at which a network can be cut with the modules there, in the order of computation.

    They are those through which all flows that comes after: the ways down of an hourglass are among them, its ways
    across and up are not, nor the members of an ensemble.
    """
    found = {"stem": network.stem}
    for name, stage in network.stages.named_children():
        if isinstance(stage, nn.Sequential):
            found |= {f"{name}.{block}": module for block, module in stage.named_children()}
        elif isinstance(stage, Hourglass):
            found |= {f"{name}.{part}": module for part, module in stage.named_children() if part.startswith("down")}
        found[name] = stage
    if isinstance(network.head, nn.Sequential):
        found |= {f"head.{name}": module for name, module in network.head.named_children()}
    return found


def check_cut(network: Network, tap: str, where: str = "model.cut") -> None:
    """Raise InputError for a tap that there is not, or at which a network cannot be cut."""
    known = places(network)
    if tap in known:
        return
    taps = f"it can be cut at: {', '.join(known)}"
    if tap in network.taps:
        raise InputError(where, f"{tap} is not all that the rest of the network reads", taps)
    raise InputError(where, f"there is no tap {tap!r}{nearest(tap, known)}", taps)


def body(network: Network, tap: str) -> Network:
    """Return what computes the activation at a tap, with the names that it has, as a network without logits.

    It shares its modules with the network. Raises InputError where that cannot be cut there.
    """
    check_cut(network, tap)
    first, _, part = tap.partition(".")
    if first == "head":
        return _network(network, dict(network.stages.named_children()), _upto(network.head, part))
    stages: dict[str, nn.Module] = {}
    for name, stage in network.stages.named_children():
        if first == "stem":
            break
        stages[name] = _upto(stage, part) if name == first and part else stage
        if name == first:
            break
    return _network(network, stages, nn.Sequential())


def default_cut(network: Network, *, encoder: bool = False) -> str:
    """Return the tap before the layer that makes the logits; of a network that makes images, the end of its `encoder`.

    Raises InputError for a network that has no such place.
    """
    known = tuple(places(network))
    if encoder:
        return _end_of_encoder(network, known)
    parts = [name for name, part in network.head.named_children() if part.state_dict()]
    if not parts:
        reason = "the logits are not made by a layer of the head, so there is no place before it"
        raise InputError("model.cut", reason, f"name one: {', '.join(known)}")
    return known[known.index(f"head.{parts[-1]}") - 1]


def _end_of_encoder(network: Network, known: tuple[str, ...]) -> str:
    down = [tap for tap in known if ".down" in tap]
    stages = [name for name, _ in network.stages.named_children()]
    return down[-1] if down else "encoder" if "encoder" in stages else stages[-1]


def _upto(chain: nn.Module, name: str) -> nn.Sequential:
    """Return the children up to one, in an order in which each reads what the one before it gives."""
    kept = nn.Sequential()
    for child, module in chain.named_children():
        if not isinstance(chain, Hourglass) or child.startswith("down"):
            kept.add_module(child, module)
        if child == name:
            break
    return kept


def _network(network: Network, stages: dict[str, nn.Module], head: nn.Module) -> Network:
    return Network(stem=network.stem, stages=stages, head=head)
