"""Why a map is empty: which gradient or activation vanished, and where."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.explain.attribution.passes import BackwardRule, Pass, forward_backward
from convworks.explain.attribution.target import Target
from convworks.layers.network import Network

Image = Float[Tensor, "1 c *size"]


def why_empty(
    network: nn.Module, image: Image, target: Target, *, rule: BackwardRule | None = None, taps: Sequence[str] = ()
) -> str:
    """Return the reason why the map of an image is zero, or not finite, in a sentence.

    It follows the way back from the score, under the rule of the method; `taps` are those of a class activation map.
    """
    path = [*_path(network, target), *taps]
    passed = forward_backward(network, image, target, taps=path, rule=rule)
    if not bool(passed.scores.isfinite().all()):
        return f"the score is not finite: {_where_not_finite(passed, path)}"
    following = "the score"
    for tap in reversed(path):
        message = passed.messages[tap]
        if message is None:
            continue
        if not bool(message.isfinite().all()):
            return f"the gradient is not finite at {tap}, behind {following}"
        if not message.any():
            return f"the gradient vanishes between {following} and {tap}{_silent(passed, path, tap, following)}"
        following = tap
    if taps:
        return _why_no_map(passed, taps, target)
    if passed.images is None:
        return f"{target.name} has no derivative by the image"
    if not passed.images.any():
        return f"the gradient vanishes between {following} and the image{_silent(passed, path, following, following)}"
    return "the score does not change with any part of the image that was tried"


def _path(network: nn.Module, target: Target) -> list[str]:
    """Return the taps from the image to the target, in the order of computation."""
    names = [*network.taps] if isinstance(network, Network) else [name for name, _ in network.named_children()]
    if target.tap is None:
        return names
    return [*names[: names.index(target.tap)], target.tap] if target.tap in names else [target.tap]


def _where_not_finite(passed: Pass, path: Sequence[str]) -> str:
    for tap in path:
        if not bool(passed.activations[tap].isfinite().all()):
            return f"{tap} is the first activation that is not"
    return "all activations are"


def _silent(passed: Pass, path: Sequence[str], tap: str, following: str) -> str:
    """Name the first activation between two taps that is zero everywhere, or the unit itself, if one is."""
    between = path[path.index(tap) : path.index(following) + 1 if following in path else None]
    silent = [each for each in between if not passed.activations[each].any()]
    if silent:
        return f": every unit of {silent[0]} is 0"
    return ": the unit itself is 0" if following == path[-1] and not passed.scores.any() else ""


def _why_no_map(passed: Pass, taps: Sequence[str], target: Target) -> str:
    silent = [tap for tap in taps if not passed.activations[tap].any()]
    if silent:
        return f"every activation of {silent[0]} is 0"
    negative = all(
        bool((torch.einsum("bc,bc...->b...", message.flatten(2).mean(2), passed.activations[tap]) <= 0).all())
        for tap in taps
        if (message := passed.messages[tap]) is not None
    )
    if negative:
        return f"the weighted maps of {', '.join(taps)} are negative everywhere: nothing there speaks for {target.name}"
    return "the maps cancel each other"
