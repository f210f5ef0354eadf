"""Progressive resizing: training on smaller images first, which is faster."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.training.config import Resolution


def size_at(resolutions: Sequence[Resolution], step: int, steps: int) -> tuple[int, int] | None:
    """Return the reduced image size (height, width) at a step, or None for the network's own."""
    return next((resolution.size for resolution in resolutions if step < resolution.until * steps), None)


def resize(images: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c height width"]:
    """Resize images by bilinear interpolation with anti-aliasing; the result is in channels-last memory format."""
    resized = F.interpolate(images, size, mode="bilinear", antialias=True)
    return resized.contiguous(memory_format=torch.channels_last)


def check_resolutions(resolutions: Sequence[Resolution], network: nn.Module, preprocessing: Preprocessing) -> None:
    """Raise InputError for sizes larger than the network's input, or that the network does not accept."""
    where = "training.resolutions"
    for resolution in resolutions:
        height, width = resolution.size
        if height > preprocessing.size[0] or width > preprocessing.size[1]:
            reason = (
                f"has {height}x{width}, but the network's images are {preprocessing.size[0]}x{preprocessing.size[1]}"
            )
            raise InputError(where, reason, "give sizes that are smaller")
        device, training = next(network.parameters()).device, network.training
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(1, preprocessing.channels, height, width, device=device))
        except (RuntimeError, ValueError, InputError) as error:
            reason = f"has {height}x{width}, which the network cannot take ({' '.join(str(error).split())[:100]})"
            raise InputError(where, reason, "give larger sizes, or a network that takes any") from None
        finally:
            network.train(training)
