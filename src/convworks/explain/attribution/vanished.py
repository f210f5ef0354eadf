"""Why a map is empty: which gradient or activation vanished, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.explain.attribution.passes import BackwardRule, Pass, forward_backward
from convworks.explain.attribution.target import Target
from convworks.explain.taps import call_of, module_at
from convworks.layers.mode import evaluating
from convworks.layers.network import Network

IMAGE, SCORE = "the image", "the score"
Image = Float[Tensor, "1 c *size"]


def why_empty(
    network: nn.Module, image: Image, target: Target, *, rule: BackwardRule | None = None, taps: Sequence[str] = ()
) -> str:
    """Return the reason why the map of an image is zero, or not finite, in a sentence.

    It follows the way back from the score, under the rule of the method: to the image, or to the `taps` of a class
    activation map.
    """
    path = _path(network, image, target)
    passed = forward_backward(network, image, target, taps=[*dict.fromkeys([*path, *taps])], rule=rule)
    if not bool(passed.scores.isfinite().all()):
        return f"the score is not finite: {_where_not_finite(passed, path)}"
    if broken := _broken(passed, path):
        return broken
    if taps:
        return _why_no_map(passed, path, taps, target)
    if not _arrives(passed.images):
        return _lost(passed, path, IMAGE, target)
    if not image.any():
        return "the image is the mean colour everywhere: there is nothing to take away"
    return "the score does not change with any part of the image that was tried"


def _path(network: nn.Module, image: Image, target: Target) -> list[str]:
    """Return the taps from the image to the target, in the order of computation; of a module, each call is one."""
    names = [*network.taps] if isinstance(network, Network) else [name for name, _ in network.named_children()]
    ends = [call_of(target.tap)[0]] if target.tap else []
    modules = {name: module_at(network, name) for name in dict.fromkeys([*names, *ends])}
    calls: list[str] = []
    others: set[str] = set()

    def record(name: str) -> Callable[[nn.Module, object, object], None]:
        return lambda _module, _inputs, output: calls.append(name) if isinstance(output, Tensor) else others.add(name)

    handles = [module.register_forward_hook(record(name)) for name, module in modules.items()]
    try:
        with torch.no_grad(), evaluating(network):
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    counts, numbers, path = Counter(calls), Counter[str](), list[str]()
    for name in calls:
        numbers[name] += 1
        if name not in others:
            path.append(name if counts[name] == 1 else f"{name}[{numbers[name]}]")
    if target.tap is None:
        return path
    return [*path[: path.index(target.tap)], target.tap] if target.tap in path else [target.tap]


def _arrives(message: Tensor | None) -> bool:
    return message is not None and bool(message.any())


def _where_not_finite(passed: Pass, path: Sequence[str]) -> str:
    for tap in path:
        if not bool(passed.activations[tap].isfinite().all()):
            return f"{tap} is the first activation that is not"
    return "all activations are"


def _broken(passed: Pass, path: Sequence[str]) -> str:
    """Name the tap nearest to the score at which the gradient is not finite, if there is one."""
    for tap, following in reversed(list(pairwise([*path, SCORE]))):
        message = passed.messages[tap]
        if message is not None and not bool(message.isfinite().all()):
            return f"the gradient is not finite at {tap}, behind {following}"
    return ""


def _lost(passed: Pass, path: Sequence[str], end: str, target: Target) -> str:
    """Say where the gradient vanishes on its way back to a tap or to the image.

    That is behind the first tap, seen from there, at which it arrives: a branch beside it may be dead, too.
    """
    if passed.images is None and all(message is None for message in passed.messages.values()):
        return f"{target.name} has no derivative by {end}"
    behind = [*path[path.index(end) + 1 :]] if end in path else [*path] if end == IMAGE else []
    place = next((place for place, tap in enumerate(behind) if _arrives(passed.messages[tap])), len(behind))
    earlier, following = [end, *behind][place], [*behind, SCORE][place]
    silent = [tap for tap in (earlier, following) if tap in path and not passed.activations[tap].any()]
    itself = path and following == path[-1] and not passed.scores.any()
    why = f": every unit of {silent[0]} is 0" if silent else ": the unit itself is 0" if itself else ""
    return f"the gradient vanishes between {following} and {earlier}{why}"


def _why_no_map(passed: Pass, path: Sequence[str], taps: Sequence[str], target: Target) -> str:
    if not any(_arrives(passed.messages[tap]) for tap in taps):
        return _lost(passed, path, taps[-1], target)
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
