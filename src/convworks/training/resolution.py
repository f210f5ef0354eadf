"""Progressive resizing: training on smaller images first, which is faster."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convworks.data.batches import Batch
from convworks.data.column import Spatial
from convworks.data.inputs.input import Input
from convworks.errors import InputError
from convworks.training.config import Resolution


def size_at(resolutions: Sequence[Resolution], step: int, steps: int) -> tuple[int, int] | None:
    """Return the reduced image size (height, width) at a step, or None for the network's own."""
    return next((resolution.size for resolution in resolutions if step < resolution.until * steps), None)


def with_masks_of(batch: Batch, size: tuple[int, int] | None, spatial: Spatial | None) -> Batch:
    """Return a batch whose masks have the reduced size of its images; other targets are unchanged."""
    if size is None or spatial is None:
        return batch

    def resized(masks: Tensor) -> Tensor:
        return F.interpolate(masks[:, None].float(), size, mode="nearest-exact")[:, 0].long()

    return batch._replace(
        targets=resized(batch.targets), others=None if batch.others is None else resized(batch.others)
    )


def check_resolutions(
    resolutions: Sequence[Resolution], network: nn.Module, input: Input, spatial: Spatial | None = None
) -> None:
    """Raise InputError for sizes larger than the network's input, or that the network does not accept.

    `spatial` says what targets are if they are images: masks shrink with their images, colours are refused.
    """
    where = "training.resolutions"
    if resolutions and spatial is not None and not spatial.nearest:
        raise InputError(where, "shrink images, but not the images that are their targets", "leave them out")
    for resolution in resolutions:
        size, largest = resolution.size, input.size
        if any(side > most for side, most in zip(size, largest, strict=True)):
            reason = f"has {_written(size)}, but the network's images are {_written(largest)}"
            raise InputError(where, reason, "give sizes that are smaller")
        device, training = next(network.parameters()).device, network.training
        try:
            with torch.no_grad():
                network.eval()(input.example(size=size, device=device))
        except (RuntimeError, ValueError, InputError) as error:
            reason = f"has {_written(size)}, which the network cannot take ({' '.join(str(error).split())[:100]})"
            raise InputError(where, reason, "give larger sizes, or a network that takes any") from None
        finally:
            network.train(training)


def _written(size: Sequence[int]) -> str:
    return "x".join(map(str, size))
