"""Progressive resizing: training on smaller images first, which takes less time and shows more of them."""

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
    """Return the size (height, width) of the images of a step, or None where they have their own."""
    return next((found.size for found in resolutions if step < found.until * steps), None)


def resize(images: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c height width"]:
    """Return images of another size: bilinear, with anti-aliasing, in channels-last order."""
    found = F.interpolate(images, size, mode="bilinear", antialias=True)
    return found.contiguous(memory_format=torch.channels_last)


def check_resolutions(resolutions: Sequence[Resolution], network: nn.Module, given: Preprocessing) -> None:
    """Raise InputError for sizes above that of the network's input, or that the network cannot take."""
    where = "training.resolutions"
    for found in resolutions:
        height, width = found.size
        if height > given.size[0] or width > given.size[1]:
            reason = f"has {height}x{width}, but the network's images are {given.size[0]}x{given.size[1]}"
            raise InputError(where, reason, "give sizes that are smaller")
        device, training = next(network.parameters()).device, network.training
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(1, given.channels, height, width, device=device))
        except (RuntimeError, ValueError, InputError) as error:
            reason = f"has {height}x{width}, which the network cannot take ({' '.join(str(error).split())[:100]})"
            raise InputError(where, reason, "give larger sizes, or a network that takes any") from None
        finally:
            network.train(training)
