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
    out = np.empty((*size, array.shape[2]), np.uint8)
    resample_into(array, out)
    return out


def resample_into(array: UInt8[np.ndarray, "h w c"], out: UInt8[np.ndarray, "height width c"]) -> None:
    """Do as `resample`, into an array that is there.

    One call of PyTorch, and no more: each lets go of the interpreter, and threads that scale many images at once would
    wait for it at every one of them.
    """
    import torch  # a second of waiting, which commands that scale nothing do without

    scale = torch.ops.aten._upsample_bilinear2d_aa.out  # what interpolate(antialias=True) comes to
    size, channels = out.shape[:2], out.shape[2]
    # PyTorch would copy a part of a larger image too, but with all its threads, in each of ours; and it warns of arrays
    # that must not be written to, though it never does.
    array = np.ascontiguousarray(array) if array.flags.writeable else array.copy()
    if channels in (3, 4):  # the kernel takes all channels of a pixel at once
        scale(_images(array[None]), size, False, out=_images(out[None]))
        return
    planes = np.empty((channels, *size, 1), np.uint8)
    scale(_images(np.ascontiguousarray(array.transpose(2, 0, 1))[..., None]), size, False, out=_images(planes))
    out[:] = planes[..., 0].transpose(1, 2, 0)


def _images(array: UInt8[np.ndarray, "n h w c"]) -> torch.Tensor:
    import torch

    return torch.from_numpy(array.transpose(0, 3, 1, 2))
