"""The output of a layer: of a tap, or of any layer that `convworks models NAME` lists."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError, RunError
from convworks.explain.taps import call_of, module_at, tapping
from convworks.inference.limits import NO_OVERFLOW
from convworks.layers.members import Members
from convworks.layers.mode import evaluating
from convworks.layers.network import Network, module_name


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A module of a network by its tap, without `stages.`: its name, with the number of the call if there are several.

    `once` says that there is only one, so that the network need not be computed further.
    """

    name: str
    module: nn.Module
    once: bool = False

    @property
    def tap(self) -> str:
        """What is read."""
        return f"{self.name}[1]" if self.once else self.name


def layer_at(network: nn.Module, tap: str) -> Layer:
    """Return a layer by its tap (taps.py); an unknown one raises InputError with its nearest neighbours."""
    name = tap.removeprefix("stages.")
    return Layer(name=name, module=module_at(network, call_of(name)[0]))


def layers(network: Network) -> dict[str, nn.Module]:
    """Return all modules of stem, stages and head by name, as `convworks models NAME` writes it."""
    return {
        name.removeprefix("stages."): module for name, module in network.named_modules() if name and name != "stages"
    }


def last_stage(network: Network) -> str:
    """Return the last stage before the head, as `layers` names it; of an ensemble, that of its first member."""
    if not (stages := list(network.stages.named_children())):
        return "stem"
    name, stage = stages[-1]
    if isinstance(stage, Members):
        member, first = next((each, module) for each, module in stage.named_children() if isinstance(module, Network))
        return f"{name}.{member}.{module_name(last_stage(first))}"
    return name


def outputs_at(network: nn.Module, layer: Layer, inputs: Tensor) -> Float[Tensor, "b c *size"]:
    """Return the output of a layer for a batch as the network reads it, in evaluation mode.

    Raises InputError for a layer that does not output one tensor, is not part of the computation, or is called several
    times, and RunError for values that are not finite.
    """
    with evaluating(network), tapping(network, [layer.tap], stop=True) as activations:
        network(inputs)
    output = activations[layer.tap]
    if not output.isfinite().all():
        raise RunError(layer.name, "is NaN or infinite: its values overflow", NO_OVERFLOW)
    return output


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Compute no gradients of the weights within the context: only those of inputs."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def require_map(layer: Layer, output: Tensor) -> None:
    """Raise InputError if the output of a layer is not a map of two axes."""
    if output.ndim != 4:
        shape = "x".join(map(str, output.shape[1:]))
        raise InputError("--tap", f"{layer.name} outputs {shape} values, not a map", "name a layer before the head")


def check_channels(layer: Layer, channels: tuple[int, ...], count: int) -> None:
    """Raise InputError for channels that a layer does not have."""
    for channel in channels:
        if not 0 <= channel < count:
            raise InputError("--channels", f"{layer.name} has {count} channels, no {channel}", "count from 0")


def normalised(pixels: Float[Tensor, "b c h w"], preprocessing: Preprocessing) -> Float[Tensor, "b c h w"]:
    """Return images with values in 0 to 1 as the network reads them."""
    mean, std = (pixels.new_tensor(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
    return (pixels - mean) / std


def to_pixels(images: Float[Tensor, "b c h w"]) -> list[UInt8[np.ndarray, "h w c"]]:
    """Return images with values in 0 to 1 as uint8 arrays [h, w, c]."""
    return list((images.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())
