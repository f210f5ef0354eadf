"""The kernels that scale: bilinear with antialiasing, in eight bits, for colours; nearest for numbers of classes."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64, UInt8

from convworks.data.decode.bilinear import bilinear

if TYPE_CHECKING:
    import torch

#: How many images are scaled without PyTorch, which takes as long to import.
FEW = 48
_scaled = count()


def resample(array: UInt8[np.ndarray, "h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width c"]:
    """Scale an image, which may be a view of a larger one, to `size` (height, width); the result is contiguous.

    Agrees with Pillow's BILINEAR up to 2 grey levels; PyTorch's vectorised code is five times as fast.
    """
    out = np.empty((*size, array.shape[2]), np.uint8)
    resample_into(array, out)
    return out


def resample_into(array: UInt8[np.ndarray, "h w c"], out: UInt8[np.ndarray, "height width c"]) -> None:
    """Apply `resample`, writing into an existing array.

    The first few images of a program without PyTorch are scaled in NumPy, to the same bits (bilinear.py).
    """
    if "torch" not in sys.modules and next(_scaled) < FEW:
        out[:] = bilinear(array, (out.shape[0], out.shape[1]))
    else:
        _by_kernel(array, out)


def _by_kernel(array: UInt8[np.ndarray, "h w c"], out: UInt8[np.ndarray, "height width c"]) -> None:
    """Scale by a single call into PyTorch: each call releases the interpreter lock, and many threads wait for it."""
    import torch

    scale = torch.ops.aten._upsample_bilinear2d_aa.out  # the kernel of interpolate(antialias=True)
    size, channels = out.shape[:2], out.shape[2]
    # PyTorch would copy a view of a larger image itself, but with all its threads, in each of ours; and it warns about
    # read-only arrays, though it never writes to them.
    array = np.ascontiguousarray(array) if array.flags.writeable else array.copy()
    if channels in (3, 4):  # the kernel processes all channels of a pixel at once
        scale(_images(array[None]), size, False, out=_images(out[None]))
        return
    planes = np.empty((channels, *size, 1), np.uint8)
    scale(_images(np.ascontiguousarray(array.transpose(2, 0, 1))[..., None]), size, False, out=_images(planes))
    out[:] = planes[..., 0].transpose(1, 2, 0)


def nearest(array: UInt8[np.ndarray, "h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width c"]:
    """Scale to `size` (height, width) without interpolation: each pixel is the one that lies over its centre."""
    rows, columns = (nearest_indices(have, want) for have, want in zip(array.shape[:2], size, strict=True))
    scaled: np.ndarray = array[rows[:, None], columns]
    return scaled


def nearest_indices(have: int, want: int) -> Int64[np.ndarray, " want"]:
    """Return, for `want` pixels along a side of `have`, the index of the one that lies over the centre of each."""
    return (2 * np.arange(want) + 1) * have // (2 * want)


def _images(array: UInt8[np.ndarray, "n h w c"]) -> torch.Tensor:
    import torch

    return torch.from_numpy(array.transpose(0, 3, 1, 2))
