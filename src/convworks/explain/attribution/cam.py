"""Class activation maps: which positions of a layer's maps counted, from the weights of the head or from gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError, naming
from convworks.explain.attribution.passes import forward_backward, in_chunks, outputs_of
from convworks.explain.attribution.target import Target
from convworks.layers.cut import end_of_encoder
from convworks.layers.members import Members
from convworks.layers.mode import evaluating
from convworks.layers.network import Network, module_name

#: By how much a head may differ from a linear function of channel means, as a fraction of its largest output.
LINEAR = 1e-4
#: How maps are enlarged, by their number of axes.
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
#: What ends a stage without being its last rectified map.
POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)

Images = Float[Tensor, "b c *size"]
Map = Float[Tensor, "b *size"]
Coarse = Float[Tensor, "b ..."]


def grad_cam(network: nn.Module, images: Images, target: Target, *, taps: Sequence[str] = ()) -> Map:
    """Return Grad-CAM (Selvaraju et al. 2017, section 3) at the size of the images: 0 and more.

    `taps` are layers whose output is a map, by default those of `map_taps`; the maps of several are added. For a map of
    logits it is the Seg-Grad-CAM of Vinogradova et al. 2020. Raises InputError for a tap that is no map, or that the
    target does not depend on.
    """
    chosen = taps or map_taps(network, images, target)
    parts = []
    for part in in_chunks(len(images), images[0]):
        rows = torch.arange(part.start, part.stop)
        maps = weighted_maps(network, images[part], target.rows(rows), chosen)
        parts.append(torch.stack([_enlarged(F.relu(each), images[part]) for each in maps]).sum(0))
    return torch.cat(parts)


def weighted_maps(network: nn.Module, images: Images, target: Target, taps: Sequence[str]) -> list[Coarse]:
    """Return at each tap the sum of its maps, each times the mean of its gradient, before it is rectified."""
    with naming("--tap", "tap"):
        passed = forward_backward(network, images, target, taps=taps)
    maps = []
    for tap in taps:
        activation, message = passed.activations[tap], passed.messages[tap]
        if activation.ndim < 3:
            reason = f"{tap} is a vector of {activation.shape[1]} features, not a map"
            raise InputError("--tap", reason, "name a layer with maps; `convworks models NAME` lists them")
        if message is None:
            raise InputError("--tap", f"{target.name} does not depend on {tap}", "name an earlier layer")
        weights = message.flatten(2).mean(2)
        maps.append(torch.einsum("bc,bc...->b...", weights, activation))
    return maps


class Linear(NamedTuple):
    """Class activation maps before they are enlarged, and what the head adds to their mean."""

    maps: Coarse
    bias: Float[Tensor, " b"]


def cam(network: nn.Module, images: Images, target: Target) -> Map:
    """Return the class activation map (Zhou et al. 2016, section 2) at the size of the images."""
    return _enlarged(class_maps(network, images, target).maps, images)


def class_maps(network: nn.Module, images: Images, target: Target) -> Linear:
    """Return the sum of the last maps, each times its weight in the score of the class, in batches that fit the memory.

    The score is their mean plus the bias. Raises InputError for a head that is not linear in the mean of each map.
    """
    rows = (torch.arange(part.start, part.stop) for part in in_chunks(len(images), images[0]))
    maps, biases = zip(*(_class_maps(network, images[row], target.rows(row)) for row in rows), strict=True)
    return Linear(torch.cat(maps), torch.cat(biases))


def _class_maps(network: nn.Module, images: Images, target: Target) -> Linear:
    if target.tap is not None or target.where is not None:
        other = f"the unit {target.name}" if target.tap is not None else "pixels of a mask"
        raise InputError("--method cam", f"explains classes of images, not {other}", "use grad-cam")
    if not isinstance(network, Network) or network.links or not (stages := list(network.stages._modules)):
        raise _not_linear("reads more than the last map")
    maps = outputs_of(network, images, stages[-1])
    if maps.ndim < 3 or maps[0, 0].numel() == 1:
        raise _not_linear(f"reads {'x'.join(map(str, maps.shape[1:]))} values, not maps")
    with evaluating(network), torch.no_grad():
        _check_linear(network.head, maps)
        blank = target.score(network.head(torch.zeros_like(maps)))
    with evaluating(network), torch.enable_grad():
        read = maps.clone().requires_grad_()
        (slopes,) = torch.autograd.grad(target.score(network.head(read)).sum(), read)
    return Linear(torch.einsum("bc,bc...->b...", slopes.flatten(2).sum(2), maps), blank)


def _check_linear(head: nn.Module, maps: Tensor) -> None:
    """Raise InputError unless a head is linear in channel means: seen from outside, whatever it is made of."""
    output, blank = head(maps), head(torch.zeros_like(maps))
    means = maps.flatten(2).mean(2).view(*maps.shape[:2], *(1,) * (maps.ndim - 2)).expand_as(maps)
    other = torch.randn(maps.shape, generator=torch.Generator().manual_seed(0)).to(maps) * maps.std()
    tolerance = LINEAR * float(output.abs().max())
    if output.ndim != 2 or float((head(means.contiguous()) - output).abs().max()) > tolerance:
        raise _not_linear("is not a function of their means")
    if float((head(maps + other) - output - head(other) + blank).abs().max()) > tolerance:
        raise _not_linear("is not linear")


def _not_linear(why: str) -> InputError:
    reason = f"needs a head that is linear in the mean of each of the last maps, but that of this network {why}"
    return InputError("--method cam", reason, "use grad-cam")


def map_taps(network: nn.Module, images: Images, target: Target) -> tuple[str, ...]:
    """Return the taps that Grad-CAM weighs by default: the last maps of the network, or those before a unit.

    For a network that scores every pixel it is the end of the encoder. Raises InputError for a network without maps.
    """
    if target.tap is None:
        if target.where is not None and isinstance(network, Network):
            return (end_of_encoder(network),)
        return last_maps(network, images[:1])
    earlier = _earlier(network, target.tap)
    return last_maps(network, images[:1], earlier) if earlier else (target.tap,)


def last_maps(network: nn.Module, images: Images, taps: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the last of some taps (default: all before the head) whose output is a map: before any pooling at its end.

    Of an ensemble, they are those of each member. Raises InputError for a network without maps.
    """
    if not isinstance(network, Network):
        raise InputError("--tap", "is needed: this network has no named taps", "name a layer with maps")
    for name, stage in network.stages.named_children():
        if isinstance(stage, Members):
            return tuple(
                f"stages.{name}.{member}.{module_name(tap)}"
                for member, module in stage.named_children()
                for tap in last_maps(module, images)
            )
    body = [tap for tap in network.taps if tap.partition(".")[0] != "head"]
    for tap in reversed(body if taps is None else taps):
        values = outputs_of(network, images, tap)
        if values.ndim >= 3 and values[0, 0].numel() > 1 and not _ends_in_pooling(network.tapped(tap)):
            return (tap,)
    raise InputError("--method grad-cam", "needs maps, but this network has none", "use another method")


def _earlier(network: nn.Module, tap: str) -> list[str]:
    """Return the taps before that of a unit, which may be named as a module is."""
    taps = list(network.taps) if isinstance(network, Network) else []
    places = [index for index, each in enumerate(taps) if tap in (each, module_name(each))]
    return [each for each in taps[: places[0]] if not f"{tap}.".startswith(f"{each}.")] if places else []


def _ends_in_pooling(module: nn.Module) -> bool:
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    return isinstance(module, POOLS)


def _enlarged(maps: Coarse, images: Images) -> Map:
    """Return maps at the size of the images, by linear interpolation along each axis."""
    size = images.shape[2:]
    return F.interpolate(maps[:, None], size, mode=MODES[len(size)], align_corners=False)[:, 0]
