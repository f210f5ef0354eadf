"""Activation maximisation: the image to which a unit responds most (Erhan et al. 2009, Olah et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from convworks.explain.features.layer import Layer, frozen, outputs_at
from convworks.explain.features.priors import Spectrum, total_variation

RATE, SMOOTHNESS, JITTER = 0.05, 0.5, 1 / 16
STARTS = 4
CHANNELS_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class Preferred:
    """For each channel its preferred image (0 to 1), the response to it, and that to the noise it began with.

    `fires` tells whether the response is above 0; where it is not, it was not at any step from any of the `STARTS`
    beginnings.
    """

    images: Float[Tensor, "k c h w"]
    responses: Float[Tensor, " k"]
    before: Float[Tensor, " k"]

    @property
    def fires(self) -> Bool[Tensor, " k"]:
        """Whether each channel responds at all."""
        return self.responses > 0


def maximise(
    network: nn.Module,
    layer: Layer,
    channels: Sequence[int],
    reads: Callable[[Tensor], Tensor],
    shape: tuple[int, int, int],
    *,
    steps: int = 256,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Preferred:
    """Climb the response of the central unit of some channels of a layer, from smooth noise.

    `reads` turns images of `shape` (c, h, w) in 0 to 1 into what the network reads. Regularisers: Fourier coefficients
    divided by frequency, total variation, and a random shift in every step. A unit that is silent on noise has no
    gradient to climb (a ReLU below 0): it gets up to STARTS beginnings.
    """
    device = next(network.parameters()).device
    parts = []
    with frozen(network):
        for first in range(0, len(channels), CHANNELS_AT_ONCE):
            some = torch.tensor(channels[first : first + CHANNELS_AT_ONCE], device=device)
            best = _climb(network, layer, some, reads, shape, steps, seed)
            for start in range(1, STARTS):
                silent = best.responses <= 0
                if not silent.any():
                    break
                again = _climb(network, layer, some[silent], reads, shape, steps, seed + start)
                for target, source in ((best.images, again.images), (best.responses, again.responses),
                                       (best.before, again.before)):  # fmt: skip
                    target[silent] = source
            parts.append(best)
            if report is not None:
                report(min(first + CHANNELS_AT_ONCE, len(channels)), len(channels))
    return Preferred(
        images=torch.cat([part.images for part in parts]),
        responses=torch.cat([part.responses for part in parts]),
        before=torch.cat([part.before for part in parts]),
    )


def _climb(
    network: nn.Module,
    layer: Layer,
    channels: Tensor,
    reads: Callable[[Tensor], Tensor],
    shape: tuple[int, int, int],
    steps: int,
    seed: int,
) -> Preferred:
    generator = torch.Generator().manual_seed(seed)
    device = channels.device
    spectrum = Spectrum((len(channels), *shape), generator).to(device)
    optimizer = torch.optim.Adam([spectrum.coefficients], lr=RATE)
    reach = [max(1, round(length * JITTER)) for length in shape[1:]]

    def responses(images: Tensor) -> Tensor:
        return central(outputs_at(network, layer, reads(images)), channels)

    with torch.no_grad():
        fired = spectrum.images()
        before = responses(fired)
    strength = before
    for _ in range(steps):
        shift = [int(torch.randint(-far, far + 1, (), generator=generator)) for far in reach]
        images = spectrum.images()
        shifted = images.roll(shift, dims=(2, 3))
        climbed = responses(shifted)
        with torch.no_grad():  # the last image to which each responds, in case that the climb leaves the slope
            fires = climbed > 0
            fired, strength = _where(fires, shifted, fired), _where(fires, climbed, strength)
        # Relative to the response, so that layers of any scale are regularised alike.
        size = climbed.detach().abs().clamp_min(1e-3)
        objective = (climbed - SMOOTHNESS * size * total_variation(images)).sum()
        optimizer.zero_grad()
        (-objective).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        images = spectrum.images()
        found = responses(images)
        lost = (found <= 0) & (strength > 0)
        return Preferred(images=_where(lost, fired, images), responses=_where(lost, strength, found), before=before)


def _where(condition: Bool[Tensor, " b"], one: Tensor, other: Tensor) -> Tensor:
    """Choose between the samples of two batches."""
    return torch.where(condition.view(-1, *[1] * (one.ndim - 1)), one, other)


def central(outputs: Float[Tensor, "b c *size"], channels: Tensor) -> Float[Tensor, " b"]:
    """Return, of each output, the value of its channel at the central unit."""
    chosen = outputs[torch.arange(len(outputs), device=outputs.device), channels]
    for length in outputs.shape[2:]:
        chosen = chosen[:, length // 2]
    return chosen
