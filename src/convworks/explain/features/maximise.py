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
#: A climb begins with one of so many images of noise of each spread: their contrast is from 2 % to all there is.
DRAWS, SPREADS = 16, (0.01, 0.03, 0.1, 0.3, 1.0)
STARTS = DRAWS * len(SPREADS)
CHANNELS_AT_ONCE = 16

Responses = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Preferred:
    """For each channel its preferred image (0 to 1), the response to it, and that to the noise it began with.

    `fires` tells whether the response is above 0; where it is not, it was not for any of the `STARTS` images of noise,
    nor on the way from the best. Other images may do what noise does not: those of a source (patches.py).
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
    divided by frequency, total variation, and a random shift in every step. The total variation is a mean over as many
    pixels as a unit sees: over the whole image, it would be next to nothing for an early one. A unit that is silent has
    no gradient to climb (a ReLU below 0), so each begins with noise to which it responds, the smoothest of STARTS
    images.
    """
    device = next(network.parameters()).device
    parts, seen = [], 0.0
    with frozen(network):
        for first in range(0, len(channels), CHANNELS_AT_ONCE):
            some = torch.tensor(channels[first : first + CHANNELS_AT_ONCE], device=device)
            generator = torch.Generator().manual_seed(seed)

            def responses(images: Tensor) -> Float[Tensor, "b c"]:
                return central(outputs_at(network, layer, reads(images)))

            noise = _beginnings(responses, some, shape, generator)
            seen = seen or _seen(responses, shape, device, seed)
            parts.append(_climb(responses, some, noise, SMOOTHNESS / seen, steps, generator))
            if report is not None:
                report(min(first + CHANNELS_AT_ONCE, len(channels)), len(channels))
    return Preferred(
        images=torch.cat([part.images for part in parts]),
        responses=torch.cat([part.responses for part in parts]),
        before=torch.cat([part.before for part in parts]),
    )


@torch.no_grad()
def _beginnings(
    responses: Responses, channels: Tensor, shape: tuple[int, int, int], generator: torch.Generator
) -> Spectrum:
    """Return noise for each channel: the smoothest above 0; where there is none, that of the largest response."""
    drawn = [Spectrum((DRAWS, *shape), generator, spread).to(channels.device) for spread in SPREADS]
    values = torch.cat([responses(noise.images())[:, channels] for noise in drawn])
    chosen = torch.where((values > 0).any(0), (values > 0).int().argmax(0), values.argmax(0))
    return drawn[0].replaced(torch.cat([noise.coefficients for noise in drawn])[chosen])


def _seen(responses: Responses, shape: tuple[int, int, int], device: torch.device, seed: int) -> float:
    """Return the fraction of the pixels that the central units of a layer see, each counted as far as it matters.

    As many pixels of one gradient would have the sum of squares and of fourth powers (the participation ratio). Random
    signs at the channels stand for all of them (field.py). Where the gradient is 0, it is 1.
    """
    generator = torch.Generator().manual_seed(seed)
    pixels = Spectrum((DRAWS, *shape), generator, SPREADS[-1]).to(device).images().detach().requires_grad_()
    with torch.enable_grad():
        values = responses(pixels)
        signs = torch.randint(0, 2, values.shape, generator=generator).to(values) * 2 - 1
        (gradient,) = torch.autograd.grad((values * signs).sum(), pixels)
    energy = gradient.square().mean((0, 1)).double()
    fraction = float(energy.sum() ** 2 / energy.square().sum() / energy.numel())
    return fraction if fraction > 0 else 1.0  # nor of a gradient that is not finite is more known


def _climb(
    responses: Responses,
    channels: Tensor,
    spectrum: Spectrum,
    smoothness: float,
    steps: int,
    generator: torch.Generator,
) -> Preferred:
    optimizer = torch.optim.Adam([spectrum.coefficients], lr=RATE)
    each = torch.arange(len(channels), device=channels.device)

    def own(images: Tensor) -> Float[Tensor, " k"]:
        return responses(images)[each, channels]

    with torch.no_grad():
        fired = spectrum.images()
        before = own(fired)
    strength, kept = before, spectrum.coefficients.detach().clone()
    reach = [max(1, round(length * JITTER)) for length in fired.shape[2:]]
    for step in range(steps):
        shift = [int(torch.randint(-far, far + 1, (), generator=generator)) for far in reach]
        images = spectrum.images()
        shifted = images.roll(shift, dims=(2, 3))
        climbed = own(shifted)
        with torch.no_grad():  # the last image to which each responds, in case that the climb leaves the slope
            fires = climbed > 0
            fired, strength = _where(fires, shifted, fired), _where(fires, climbed, strength)
            kept = _where(fires | (strength <= 0), spectrum.coefficients, kept)
        # Relative to the response, so that layers of any scale are regularised alike.
        size = climbed.detach().abs()
        # Weak at first: what a unit responds to in noise would be smoothed away before the response has grown.
        weight = smoothness * min(1.0, 2 * (step + 1) / steps)
        objective = (climbed - weight * size * total_variation(images)).sum()
        optimizer.zero_grad()
        (-objective).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():  # one that left the slope goes back, to climb on by what is left of its momentum
            spectrum.coefficients.copy_(kept)
        optimizer.step()
    with torch.no_grad():
        images = spectrum.images()
        last = own(images)
        lost = (last <= 0) & (strength > 0)
        return Preferred(images=_where(lost, fired, images), responses=_where(lost, strength, last), before=before)


def _where(condition: Bool[Tensor, " b"], one: Tensor, other: Tensor) -> Tensor:
    """Choose between the samples of two batches."""
    return torch.where(condition.view(-1, *[1] * (one.ndim - 1)), one, other)


def central(outputs: Float[Tensor, "b c *size"]) -> Float[Tensor, "b c"]:
    """Return the values at the central unit of each output."""
    for length in outputs.shape[2:]:
        outputs = outputs[:, :, length // 2]
    return outputs
