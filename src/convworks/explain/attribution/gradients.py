"""Attributions that are gradients of the score by the pixels, or what rules for rectifiers make of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.explain.attribution import rectifiers
from convworks.explain.attribution.passes import BackwardRule, forward_backward, in_chunks
from convworks.explain.attribution.target import Target

#: SmoothGrad: images with noise, and its standard deviation as a fraction of the range of the pixels (section 3.2).
SAMPLES, SPREAD = 32, 0.15

Images = Float[Tensor, "b c *size"]


def gradient(network: nn.Module, images: Images, target: Target) -> Images:
    """Return the derivative of the score by each value of the images (Simonyan et al. 2014, section 3)."""
    return _backward(network, images, target)


def gradient_times_input(network: nn.Module, images: Images, target: Target) -> Images:
    """Return the derivative times the normalised value: what a linear network adds up (Shrikumar et al. 2016)."""
    return _backward(network, images, target) * images


def guided_backpropagation(network: nn.Module, images: Images, target: Target) -> Images:
    """Return what comes back where every ReLU passes positive numbers only (Springenberg et al. 2015)."""
    return _backward(network, images, target, rectifiers.guided)


def deconvnet(network: nn.Module, images: Images, target: Target) -> Images:
    """Return the reconstruction of a deconvnet with the switches of these images (Zeiler and Fergus 2013)."""
    return _backward(network, images, target, rectifiers.deconvnet)


def smoothgrad(
    network: nn.Module,
    images: Images,
    target: Target,
    *,
    samples: int = SAMPLES,
    spread: float = SPREAD,
    seed: int = 0,
) -> Images:
    """Return the mean gradient over copies of each image with Gaussian noise (Smilkov et al. 2017).

    `spread` is the standard deviation of the noise as a fraction of the range of the image's values. All images get the
    same noise.
    """
    noise = torch.randn(samples, *images.shape[1:], generator=torch.Generator().manual_seed(seed)).to(images)
    flat = images.flatten(1)
    deviations = (flat.amax(1) - flat.amin(1)).view(-1, *(1,) * (images.ndim - 1)) * spread
    total = torch.zeros_like(images)
    for part in in_chunks(len(images) * samples, images[0]):
        rows = torch.arange(part.start, part.stop)
        place, number = rows // samples, rows % samples
        noisy = images[place] + deviations[place] * noise[number]
        message = forward_backward(network, noisy, target.rows(place)).images
        if message is not None:
            total.index_add_(0, place.to(total.device), message)
    return total / samples


def _backward(network: nn.Module, images: Images, target: Target, rule: BackwardRule | None = None) -> Images:
    """Return what comes back to the images, in batches that fit the memory; zeros where nothing does."""
    result = torch.zeros_like(images)
    for part in in_chunks(len(images), images[0]):
        rows = torch.arange(part.start, part.stop)
        message = forward_backward(network, images[part], target.rows(rows), rule=rule).images
        if message is not None:
            result[part] = message
    return result
