"""The one kernel that scales images: bilinear with antialiasing, in eight bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    import torch


def resample(array: UInt8[np.ndarray, "h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width c"]:
    """Scale an image to `size` (height, width), which may be a view of a larger one; the result is contiguous.

    What Pillow's BILINEAR gives, up to 2 grey levels; PyTorch has vector code for it, which is five times as fast.
    """
    import torch  # a second of waiting, which commands that scale nothing do without

    # PyTorch would copy a part of a larger image too, but with all its threads, in each of ours; and it warns of arrays
    # that must not be written to, though it never does.
    array = np.ascontiguousarray(array) if array.flags.writeable else array.copy()
    # With the axis of images before permuting, so that the result, too, lies as the image does.
    pixels = torch.from_numpy(array)[None].permute(0, 3, 1, 2)
    if array.shape[2] not in (3, 4):  # plane by plane; those take all channels at once
        pixels = pixels.permute(1, 0, 2, 3).contiguous()
        return _scaled(pixels, size)[:, 0].permute(1, 2, 0).contiguous().numpy()
    return _scaled(pixels, size)[0].permute(1, 2, 0).contiguous().numpy()


def _scaled(pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    import torch.nn.functional as F

    return F.interpolate(pixels, size, mode="bilinear", antialias=True)
