"""Which pixels the gradient of one unit reaches: the receptive field found by running a network backward."""

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
    """Return which pixels of an image of `size` reach a unit (position of the tap's map; the middle if None).

    The messages run backward through the network with all weights one, activations left out, products replaced by sums,
    maximum by average; after each window they are reduced to "something arrives here", so that they neither vanish nor
    explode. Normalisation over instances, groups or layers spreads them over the map. Nothing of the network is
    changed. Raises InputError for an unknown tap or one without a map, a unit that is not on it or that no pixel
    reaches (it sees padding alone), and images that do not fit the network.
    """
    modules = dict(network.named_modules())
    if tap not in modules:
        raise InputError("tap", f"there is no module {tap!r}", f"modules: {', '.join(list(modules)[1:20])} ...")
    values = {name: value.detach() for name, value in (*network.named_parameters(), *network.named_buffers())}
    numbers = next((value for value in values.values() if value.is_floating_point()), torch.zeros(()))
    images = numbers.new_ones(1, channels, *size).requires_grad_()
    handles = [modules[tap].register_forward_hook(_stop)]
    handles += [
        module.register_forward_hook(_pass)
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
    place = _place(tap, tuple(output.shape[2:]), unit)
    gradient: Tensor | None = None
    if output.requires_grad:
        message = torch.zeros_like(output)
        index: list[slice | int] = [slice(None), slice(None), *place]
        message[tuple(index)] = 1  # every channel of the place
        (gradient,) = torch.autograd.grad(output, images, message, allow_unused=True)
    if gradient is None or not gradient.any():
        raise InputError("unit", f"no pixel reaches unit {place} of {tap}", "name another unit")
    reached_by: Tensor = gradient[0].ne(0).any(0)
    return reached_by


class _Reached(Exception):  # noqa: N818  # no error: it ends the forward pass
    def __init__(self, output: object) -> None:
        self.output = output


def _stop(_module: nn.Module, _inputs: object, output: object) -> None:
    raise _Reached(output)


def _pass(_module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> Tensor:
    """Leave out a module whose derivative is written by hand."""
    return inputs[0]


def _map(tap: str, output: object, rank: int) -> Tensor:
    """Return the output of a tap, if it is a map."""
    if isinstance(output, Tensor) and output.ndim == rank + 2:
        return output
    shape = f", its output is {tuple(output.shape)}" if isinstance(output, Tensor) else ""
    raise InputError("tap", f"{tap} has no map{shape}", "name a layer before the head")


def _place(tap: str, size: tuple[int, ...], unit: Sequence[int] | None) -> tuple[int, ...]:
    """Return the position of a unit on the map of a tap."""
    place = tuple(n // 2 for n in size) if unit is None else tuple(unit)
    if len(place) != len(size) or not all(0 <= at < n for at, n in zip(place, size, strict=True)):
        raise InputError("unit", f"{place} is not on the map of {tap}, which has size {size}", "count from 0")
    return place
