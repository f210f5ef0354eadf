"""What some methods promise of their values, measured: completeness or sensitivity, as a relative error."""

from __future__ import annotations

from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.explain.attribution.cam import class_maps
from convworks.explain.attribution.integrated import completeness_error
from convworks.explain.attribution.passes import scores_of
from convworks.explain.attribution.target import Target
from convworks.hardware import widest

Images = Float[Tensor, "b c *size"]
Errors = Float[Tensor, " b"]


def completeness(network: nn.Module, images: Images, target: Target, values: Images) -> Errors:
    """Compare the sum of the values with the score minus that of the baseline, zeros."""
    differences = scores_of(network, images, target) - scores_of(network, torch.zeros_like(images), target)
    return completeness_error(values.flatten(1).sum(1), differences)


def map_completeness(network: nn.Module, images: Images, target: Target, values: Float[Tensor, "b *size"]) -> Errors:
    """Compare the mean of the map and the bias of the head with the score; the map is taken before it is enlarged."""
    linear = class_maps(network, images, target)
    scores = scores_of(network, images, target)
    return completeness_error(linear.maps.flatten(1).mean(1), scores - linear.bias)


def sensitivity(network: nn.Module, images: Images, target: Target, values: Images) -> Errors:
    """Compare the slope of the score along the gradient, from two images beside each, with the gradient's length.

    They are so near that hardly a ReLU changes sides, which float32 would round away: the scores are in float64.
    """
    dtype = widest(images.device)
    exact, images, values = deepcopy(network).to(dtype), images.to(dtype), values.to(dtype)
    limits, axes = torch.finfo(dtype), (-1, *(1,) * (images.ndim - 1))
    lengths = values.flatten(1).norm(dim=1)
    directions = values / lengths.clamp(min=limits.tiny).view(axes)
    steps = limits.eps**0.5 * images.flatten(1).norm(dim=1).clamp(min=1)
    shift = directions * steps.view(axes)
    change = scores_of(exact, images + shift, target) - scores_of(exact, images - shift, target)
    return completeness_error(change / (2 * steps), lengths)
