"""Features: activations of a network at its taps as vectors, for nearest neighbours, probes and other learners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from convworks.data.decode.images import Images
from convworks.data.inputs.input import Input
from convworks.errors import InputError, nearest
from convworks.inference.answers import raw
from convworks.inference.runtime import TorchRuntime
from convworks.layers.cut import body, cut_points
from convworks.layers.network import Network

Pool = Literal["average", "max", "none"]
POOLS: tuple[Pool, ...] = ("average", "max", "none")


def features(
    network: Network,
    images: Images,
    input: Input,
    precision: torch.dtype,
    taps: Sequence[str],
    pool: Pool = "average",
) -> dict[str, Float32[np.ndarray, "n _"]]:
    """Return a vector for each image at each of the taps, in evaluation mode.

    Feature maps are pooled over all positions by their average or maximum (max), or flattened channel by channel
    (none). Layers after the last tap are not computed if the network can be cut there. Raises InputError for an unknown
    tap, RunError for non-finite values.
    """
    reader = Features(network, taps, pool)
    vectors = raw(TorchRuntime(network=reader, input=input, precision=precision), images)
    columns = torch.split(vectors, [reader.widths[tap] for tap in taps], dim=1)
    return {tap: np.ascontiguousarray(part.numpy()) for tap, part in zip(taps, columns, strict=True)}


class Features(nn.Module):
    """A network whose output is the concatenation of the vectors at its taps; `widths` holds their lengths."""

    def __init__(self, network: Network, taps: Sequence[str], pool: Pool) -> None:
        super().__init__()
        for tap in taps:
            network.tapped(tap)
        last = max(taps, key=network.taps.index)
        self.network = body(network, last) if last in cut_points(network) else network
        self.taps, self.pool = tuple(taps), pool
        self.widths: dict[str, int] = {}

    def forward(self, images: Float[Tensor, "b *input"]) -> Float[Tensor, "b f"]:
        """Return the vectors of a batch, concatenated in the order of the taps."""
        vectors_by_tap: dict[str, Tensor] = {}
        hooks = []
        for tap in self.taps:

            def keep(_module: nn.Module, _inputs: object, output: Tensor, tap: str = tap) -> None:
                vectors_by_tap[tap] = vectors(output, self.pool)  # at once: later layers may change a map in place

            hooks.append(self.network.tapped(tap).register_forward_hook(keep))
        try:
            self.network(images)
        finally:
            for hook in hooks:
                hook.remove()
        self.widths = {tap: vector.shape[1] for tap, vector in vectors_by_tap.items()}
        return torch.cat([vectors_by_tap[tap] for tap in self.taps], dim=1)


def vectors(maps: Float[Tensor, "b c *size"], pool: Pool) -> Float32[Tensor, "b f"]:
    """Return one vector per sample; vectors are copied unchanged."""
    flat = maps.float().flatten(2) if maps.ndim > 2 else maps.float()
    if maps.ndim == 2 or pool == "none":
        return flat.flatten(1).clone()
    return flat.mean(2) if pool == "average" else flat.amax(2)


def named_pool(name: str) -> Pool:
    """Return a pooling by name; InputError for an unknown name."""
    for pool in POOLS:
        if pool == name:
            return pool
    raise InputError("--pool", f"there is no {name!r}{nearest(name, POOLS)}", f"choose one of {', '.join(POOLS)}")
