"""What some methods promise of their values, measured: completeness or sensitivity, as a relative error."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.explain.attribution.cam import class_maps
from convworks.explain.attribution.integrated import completeness_error
from convworks.explain.attribution.passes import scores_of
from convworks.explain.attribution.target import Target

#: By how much the score is changed to see its slope, as a fraction of itself.
CHANGE = 1e-3

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
    """Compare the slope of the score along the gradient, from two images beside each, with the gradient's length."""
    lengths = values.flatten(1).norm(dim=1)
    scores = scores_of(network, images, target)
    steps = CHANGE * scores.abs().clamp(min=CHANGE) / lengths.clamp(min=torch.finfo(lengths.dtype).tiny) ** 2
    shift = values * steps.view(-1, *(1,) * (values.ndim - 1))
    change = scores_of(network, images + shift, target) - scores_of(network, images - shift, target)
    return completeness_error(change / (2 * steps), lengths**2)
