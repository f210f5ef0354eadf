"""What a network computes at its taps, as vectors: for other learners, for nearest neighbours, for probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from convworks.data.decode.images import Images
from convworks.data.decode.preprocess import Preprocessing
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
    preprocessing: Preprocessing,
    precision: torch.dtype,
    taps: Sequence[str],
    pool: Pool = "average",
) -> dict[str, Float32[np.ndarray, "n _"]]:
    """Return a vector for each image at each of the taps, in evaluation mode.

    Maps are averaged over all places, or their largest value is taken (max), or all their values one channel after the
    other (none). What comes after the last tap is not computed where the network can be cut there. Raises InputError
    for a tap that there is not, RunError for values that are not finite.
    """
    reader = Features(network, taps, pool)
    vectors = raw(TorchRuntime(network=reader, preprocessing=preprocessing, precision=precision), images)
    columns = torch.split(vectors, [reader.widths[tap] for tap in taps], dim=1)
    return {tap: np.ascontiguousarray(part.numpy()) for tap, part in zip(taps, columns, strict=True)}


class Features(nn.Module):
    """A network that answers with the vectors at its taps, one behind the other; `widths` says how long each is."""

    def __init__(self, network: Network, taps: Sequence[str], pool: Pool) -> None:
        super().__init__()
        for tap in taps:
            network.tapped(tap)
        last = max(taps, key=network.taps.index)
        self.network = body(network, last) if last in cut_points(network) else network
        self.taps, self.pool = tuple(taps), pool
        self.widths: dict[str, int] = {}

    def forward(self, images: Float[Tensor, "b *input"]) -> Float[Tensor, "b f"]:
        """Return the vectors of a batch, the taps in their order."""
        found: dict[str, Tensor] = {}
        handles = []
        for tap in self.taps:

            def keep(_module: nn.Module, _inputs: object, output: Tensor, tap: str = tap) -> None:
                found[tap] = vectors(output, self.pool)  # at once: what follows may change a map in place

            handles.append(self.network.tapped(tap).register_forward_hook(keep))
        try:
            self.network(images)
        finally:
            for handle in handles:
                handle.remove()
        self.widths = {tap: vector.shape[1] for tap, vector in found.items()}
        return torch.cat([found[tap] for tap in self.taps], dim=1)


def vectors(maps: Float[Tensor, "b c *size"], pool: Pool) -> Float32[Tensor, "b f"]:
    """Return one vector a sample; a tensor that holds vectors already is copied as it is."""
    flat = maps.float().flatten(2) if maps.ndim > 2 else maps.float()
    if maps.ndim == 2 or pool == "none":
        return flat.flatten(1).clone()
    return flat.mean(2) if pool == "average" else flat.amax(2)


def named_pool(name: str) -> Pool:
    """Return a way of pooling by its name, or raise InputError."""
    for pool in POOLS:
        if pool == name:
            return pool
    raise InputError("--pool", f"there is no {name!r}{nearest(name, POOLS)}", f"choose one of {', '.join(POOLS)}")
