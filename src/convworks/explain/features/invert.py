"""Inversion of features: an image with the same activations (Mahendran and Vedaldi 2015)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.explain.features.layer import Layer, frozen, outputs_at
from convworks.explain.features.priors import Spectrum, total_variation

RATE, SMOOTHNESS, BOUND, ALPHA = 0.05, 0.5, 1e-3, 6


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """Images (0 to 1), and how far their activations are from those they stand for: squared error / squared norm."""

    images: Float[Tensor, "n c h w"]
    errors: Float[Tensor, " n"]


def invert(
    network: nn.Module,
    layer: Layer,
    images: Float[Tensor, "n c h w"],
    reads: Callable[[Tensor], Tensor],
    *,
    steps: int = 400,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Inverted:
    """Return images whose activations at a layer are those of `images` (0 to 1), from noise.

    The sum of the relative squared error, the total variation and the norm of order ALPHA is minimised. What the layer
    does not keep comes out smooth and grey. Raises InputError for activations that are all 0.
    """
    generator = torch.Generator().manual_seed(seed)
    spectrum = Spectrum((len(images), *images.shape[1:]), generator).to(images.device)
    optimizer = torch.optim.Adam([spectrum.coefficients], lr=RATE)
    with frozen(network):
        with torch.no_grad():
            wanted = outputs_at(network, layer, reads(images)).flatten(1)
        norm = wanted.square().sum(1)
        if not norm.all():
            raise InputError("--tap", f"{layer.name} is 0 everywhere for this image", "name another layer")

        def errors(inverted: Tensor) -> Tensor:
            return (outputs_at(network, layer, reads(inverted)).flatten(1) - wanted).square().sum(1) / norm

        for step in range(steps):
            inverted = spectrum.images()
            bounded = (2 * inverted - 1).abs().pow(ALPHA).flatten(1).mean(1)
            objective = errors(inverted) + SMOOTHNESS * total_variation(inverted) + BOUND * bounded
            optimizer.zero_grad()
            objective.sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if report is not None:
                report(step + 1, steps)
        with torch.no_grad():
            inverted = spectrum.images()
            return Inverted(images=inverted, errors=errors(inverted))
