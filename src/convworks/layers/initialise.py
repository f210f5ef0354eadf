"""Initial weights for a network: from an initialiser, or fitted to images so that every layer has unit variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.random import Generator
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.hardware import widest
from convworks.layers.mode import evaluating
from convworks.layers.partial import PartialConv2d
from convworks.ops.initialiser import Initialiser, by_name, orthogonal
from convworks.ops.whole import Whole, whole

_UP = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_UP, nn.Linear, PartialConv2d)


class Scaling(NamedTuple):
    """The standard deviation of a layer's output before and after, and how often its weight was divided."""

    before: float
    after: float
    attempts: int


def initialise(network: nn.Module, initialiser: str | Initialiser, *, seed: Whole) -> tuple[str, ...]:
    """Initialise all convolutions, up-convolutions and linear layers, zero their biases, return their names.

    The initialiser is a name of `ops.initialiser.INITIALISERS` or a function (shape, generator) -> float64 array. It
    draws each group of a convolution by itself, an up-convolution as the convolution with in and out swapped (fan_in
    is the number of inputs of an output at stride 1), and each map of a partially connected convolution for its own
    number of inputs. The values depend only on the seed and the index of the layer, not on the sizes of others. Other
    modules are unchanged. Raises InputError for an unknown initialiser and for an invalid seed or weights.
    """
    sample = by_name(initialiser) if isinstance(initialiser, str) else initialiser
    seed = whole("seed", seed, least=0)
    layers = _layers(network)
    for index, (name, layer) in enumerate(layers.items()):
        # As spawn key, the index cannot collide with the (seed, stream, counters) of other random numbers.
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(index,))))
        values = _values(name, layer, sample, generator)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(values))
            if layer.bias is not None:
                layer.bias.zero_()
    return tuple(layers)


def unit_variance(
    network: nn.Module, images: Float[Tensor, "b ..."], *, tolerance: float = 0.1, attempts: int = 10, seed: int = 0
) -> dict[str, Scaling]:
    """Initialise with orthonormal weights and divide each layer's by the standard deviation of its output on `images`.

    Layer-sequential unit variance (Mishkin and Matas 2015, All you need is a good init; lecture 001, Other Methods:
    data-driven, iteratively scaling weights): in the order of computation, until |std - 1| < tolerance or `attempts`
    is exhausted. The images pass once, in evaluation mode: without dropout, and through fresh batch normalisation
    unchanged. Returns an entry for each layer by name, in that order; layers that the images do not reach keep their
    orthonormal weights and have no entry. Training mode and requires_grad are preserved. Raises InputError for a layer
    whose output is constant or not finite (earlier layers stay changed), for no images, and for a tolerance or attempts
    that are not positive.
    """
    if not tolerance > 0:
        raise InputError("tolerance", f"tolerance={tolerance} must be positive", "0.1 is usual")
    if attempts < 1:
        raise InputError("attempts", f"attempts={attempts} must be at least 1", "10 is usual")
    if not images.numel():
        raise InputError("images", f"are none (shape {tuple(images.shape)})", "give a batch of images")
    initialise(network, orthogonal, seed=seed)
    scalings: dict[str, Scaling] = {}
    handles = [
        layer.register_forward_hook(_scaler(name, scalings, tolerance, attempts), with_kwargs=True)
        for name, layer in _layers(network).items()
    ]
    try:
        with evaluating(network), torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return scalings


def _scaler(
    name: str, scalings: dict[str, Scaling], tolerance: float, attempts: int
) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Tensor], Tensor]:
    """Return a hook that scales a layer at its first call and returns the rescaled output."""

    def scale(layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Tensor) -> Tensor:
        if name in scalings:  # a layer that is called twice is fitted to its first call
            return output
        assert isinstance(layer.weight, Tensor)
        before = after = _deviation(name, output)
        divisions = 0
        while abs(after - 1) >= tolerance and divisions < attempts:
            layer.weight.div_(after)
            output = layer.forward(*inputs, **named)
            after, divisions = _deviation(name, output), divisions + 1
        scalings[name] = Scaling(before=before, after=after, attempts=divisions)
        return output

    return scale


def _deviation(name: str, output: Tensor) -> float:
    deviation = float(output.to(widest(output.device)).std(correction=0))
    rounding = torch.finfo(output.dtype).eps * float(output.abs().max())
    if not rounding < deviation < float("inf"):
        what = "constant (standard deviation 0)" if deviation <= rounding else "not finite"
        raise InputError(
            name, f"its output for these images is {what} and cannot be scaled", "give normalised images that differ"
        )
    return deviation


def _layers(network: nn.Module) -> dict[str, Any]:
    return {name or "network": module for name, module in network.named_modules() if isinstance(module, _LAYERS)}


def _values(name: str, layer: Any, initialiser: Initialiser, generator: Generator) -> np.ndarray:
    """Return the values of a layer's weight, in its own order of axes."""
    if not isinstance(layer.weight, nn.Parameter) or isinstance(layer.weight, nn.UninitializedParameter):
        raise InputError(
            f"{name}.weight",
            "is not a parameter with values of its own",
            "initialise before reparametrising, build first",
        )
    if isinstance(layer, PartialConv2d):
        return _partial(name, layer, initialiser, generator)
    shape, groups = tuple(layer.weight.shape), getattr(layer, "groups", 1)
    if isinstance(layer, _UP):
        group_shape = (shape[1], shape[0] // groups, *shape[2:])  # [out / groups, in / groups, *kernel]
        return np.concatenate(
            [_sample(name, initialiser, group_shape, generator).swapaxes(0, 1) for _ in range(groups)]
        )
    group_shape = (shape[0] // groups, *shape[1:])
    return np.concatenate([_sample(name, initialiser, group_shape, generator) for _ in range(groups)])


def _partial(name: str, layer: PartialConv2d, initialiser: Initialiser, generator: Generator) -> np.ndarray:
    """Return the kernels of the connected pairs: each map is the first row of a sample for its number of inputs."""
    kernel = tuple(layer.weight.shape[1:])
    # For fan_out: the average number of maps that read an input.
    readers = max(1, round(len(layer.weight) / layer.in_channels))
    counts = [fan_in // (kernel[0] * kernel[1]) for fan_in in layer.fan_in]
    return np.concatenate([_sample(name, initialiser, (readers, count, *kernel), generator)[0] for count in counts])


def _sample(name: str, initialiser: Initialiser, shape: Sequence[int], generator: Generator) -> np.ndarray:
    values = initialiser(shape, generator)
    if values.shape != tuple(shape) or not np.isfinite(values).all():
        raise InputError(
            "initialiser", f"gave shape {values.shape} for {name}, or values not finite", f"return {tuple(shape)}"
        )
    return values
