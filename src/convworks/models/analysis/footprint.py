"""The pixels that the gradient of one unit reaches: an empirical receptive field by backpropagation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.layers.mode import evaluating
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.models.analysis.plain_sums import PlainSums
from convworks.models.analysis.receptive import fitting


def footprint(
    network: nn.Module, tap: str, channels: int, size: Sequence[int], unit: Sequence[int] | None = None
) -> Bool[Tensor, "*size"]:
    """Return which pixels of an image of `size` affect a unit (a position of the tap's map; the centre if None).

    Messages run backward through the network with all weights one, without activations, products replaced by sums and
    maxima by averages; after each window they are reduced to 0 or 1, so that they neither vanish nor explode.
    Normalisation over instances, groups or layers spreads them over the map. The network is not changed. Raises
    InputError for an unknown tap or one without a map, a unit outside the map or without pixels (only padding), and
    images that do not fit the network.
    """
    modules = dict(network.named_modules())
    if tap not in modules:
        raise InputError("tap", f"there is no module {tap!r}", f"modules: {', '.join(list(modules)[1:20])} ...")
    values = {name: value.detach() for name, value in (*network.named_parameters(), *network.named_buffers())}
    numbers = next((value for value in values.values() if value.is_floating_point()), torch.zeros(()))
    images = numbers.new_ones(1, channels, *size).requires_grad_()
    handles = [modules[tap].register_forward_hook(_stop)]
    handles += [
        module.register_forward_hook(_skip)
        for module in modules.values()
        if isinstance(module, LocalResponseNormalisation)
    ]
    try:
        with fitting(channels, size), evaluating(network), torch.enable_grad(), PlainSums():
            torch.func.functional_call(network, values, (images,))
        raise InputError("tap", f"{tap} is not part of the computation", "name another module")
    except _Reached as reached:
        output = _map(tap, reached.output, len(size))
    finally:
        for handle in handles:
            handle.remove()
    position = _position(tap, tuple(output.shape[2:]), unit)
    gradient: Tensor | None = None
    if output.requires_grad:
        message = torch.zeros_like(output)
        index: list[slice | int] = [slice(None), slice(None), *position]
        message[tuple(index)] = 1  # every channel of the position
        (gradient,) = torch.autograd.grad(output, images, message, allow_unused=True)
    if gradient is None or not gradient.any():
        raise InputError("unit", f"no pixel reaches unit {position} of {tap}", "name another unit")
    footprint_mask: Tensor = gradient[0].ne(0).any(0)
    return footprint_mask


class _Reached(Exception):  # noqa: N818  # not an error: it ends the forward pass
    def __init__(self, output: object) -> None:
        self.output = output


def _stop(_module: nn.Module, _inputs: object, output: object) -> None:
    raise _Reached(output)


def _skip(_module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> Tensor:
    """Skip a module with a custom derivative."""
    return inputs[0]


def _map(tap: str, output: object, rank: int) -> Tensor:
    """Return the output of a tap, if it is a map."""
    if isinstance(output, Tensor) and output.ndim == rank + 2:
        return output
    shape = f", its output is {tuple(output.shape)}" if isinstance(output, Tensor) else ""
    raise InputError("tap", f"{tap} has no map{shape}", "name a layer before the head")


def _position(tap: str, size: tuple[int, ...], unit: Sequence[int] | None) -> tuple[int, ...]:
    """Return the position of a unit on the map of a tap."""
    position = tuple(n // 2 for n in size) if unit is None else tuple(unit)
    if len(position) != len(size) or not all(0 <= coordinate < n for coordinate, n in zip(position, size, strict=True)):
        raise InputError("unit", f"{position} is not on the map of {tap}, which has size {size}", "count from 0")
    return position
