"""Cropping the network's input from larger stored images: at their scale, or a random part, resized."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from convworks.data.column import COLOURS, Spatial
from convworks.data.decode.resample import resample_into
from convworks.data.parts import in_parts


def cut(
    images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b 2"], size: tuple[int, int]
) -> UInt8[Tensor, "b c h2 w2"]:
    """Crop each image to `size` (height, width) at a uniformly random position (Krizhevsky et al. 2012, section 4.1).

    `noise` gives the position: horizontal, vertical.
    """
    left = (noise[:, 0] * (images.shape[3] - size[1] + 1)).long()
    top = (noise[:, 1] * (images.shape[2] - size[0] + 1)).long()
    if images.device.type == "cpu":  # copying slices is thirty times as fast as indexing
        source, out = images.permute(0, 2, 3, 1).numpy(), _blank(images, size)
        for sample, (y, x) in enumerate(zip(top.tolist(), left.tolist(), strict=True)):
            out[sample] = source[sample, y : y + size[0], x : x + size[1]]
        return torch.from_numpy(out).permute(0, 3, 1, 2)
    samples = torch.arange(len(images), device=images.device)[:, None, None]
    y = top[:, None] + torch.arange(size[0], device=images.device)
    x = left[:, None] + torch.arange(size[1], device=images.device)
    return images.permute(0, 2, 3, 1)[samples, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def crop_boxes(
    noise: Float[Tensor, "b 4"], smallest: float, largest: float, most: float, have: tuple[int, int]
) -> Int64[Tensor, "b 4"]:
    """Draw crops of images of size `have` (height, width) as (top, left, height, width), in whole pixels.

    The fraction of the area is uniform between `smallest` and `largest`; the logarithm of the aspect ratio, between
    1 / `most` and `most`, is uniform among the ratios that fit into the image (Szegedy et al. 2014, section 6; other
    implementations redraw until a crop fits); the position is uniform. If no ratio fits, a side is that of the image.
    """
    h, w = have
    area = smallest + (largest - smallest) * noise[:, 0].double()
    limit = math.log(most)
    low = (area * (w / h)).log().clamp(-limit, limit)
    high = (w / h / area).log().clamp(-limit, limit)
    ratio = torch.lerp(low, torch.maximum(low, high), noise[:, 1].double()).exp()
    height = (area * (h * w) / ratio).sqrt().round().clamp(1, h)
    width = (area * (h * w) * ratio).sqrt().round().clamp(1, w)
    left = (noise[:, 2] * (w - width + 1)).floor()
    top = (noise[:, 3] * (h - height + 1)).floor()
    return torch.stack([top, left, height, width], 1).long()


def resized_crop(
    images: UInt8[Tensor, "b c h w"],
    boxes: Int64[Tensor, "b 4"],
    size: tuple[int, int],
    spatial: Spatial = COLOURS,
) -> UInt8[Tensor, "b c h2 w2"]:
    """Resize the crop of each image in its box (top, left, height, width) to `size`, bilinear with antialiasing.

    CPU and other devices agree up to 2 grey levels. Numbers of classes are not interpolated.
    """
    if spatial.nearest:
        return _nearest(images, boxes, size)
    if images.device.type != "cpu":
        return _resampled(images, boxes, size)
    source, out, rows = images.permute(0, 2, 3, 1).numpy(), _blank(images, size), boxes.tolist()

    def fill(first: int, end: int) -> None:
        for sample in range(first, end):
            top, left, height, width = rows[sample]
            resample_into(source[sample, top : top + height, left : left + width], out[sample])

    in_parts(fill, len(images))
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _nearest(
    images: UInt8[Tensor, "b c h w"], boxes: Int64[Tensor, "b 4"], size: tuple[int, int]
) -> UInt8[Tensor, "b c h2 w2"]:
    """Return the pixel of each crop that lies over the centre of each output pixel."""
    top, left, height, width = boxes[:, :, None].unbind(1)
    y, x = (2 * torch.arange(side, device=images.device) + 1 for side in size)
    rows, columns = top + y * height // (2 * size[0]), left + x * width // (2 * size[1])
    samples = torch.arange(len(images), device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def _resampled(
    images: UInt8[Tensor, "b c h w"], boxes: Int64[Tensor, "b 4"], size: tuple[int, int]
) -> UInt8[Tensor, "b c h2 w2"]:
    """Apply `resized_crop` to the whole batch at once: along the rows, then along the columns."""
    top, left, height, width = boxes.unbind(1)
    samples = torch.arange(len(images), device=images.device)
    pixels = images.permute(0, 2, 3, 1)
    index, weight = _taps(left, width, images.shape[3], size[1])
    rows = torch.zeros(len(images), images.shape[2], size[1], images.shape[1], device=images.device)
    for tap in range(index.shape[2]):
        rows += pixels[samples[:, None], :, index[:, :, tap]].transpose(1, 2) * weight[:, None, :, tap, None]
    rows = rows.round_()
    index, weight = _taps(top, height, images.shape[2], size[0])
    output = torch.zeros(len(images), *size, images.shape[1], device=images.device)
    for tap in range(index.shape[2]):
        output += rows[samples[:, None], index[:, :, tap]] * weight[:, :, tap, None, None]
    return output.round_().to(torch.uint8).permute(0, 3, 1, 2)


def _taps(
    first: Int64[Tensor, "b"], length: Int64[Tensor, "b"], have: int, want: int
) -> tuple[Int64[Tensor, "b want taps"], Float[Tensor, "b want taps"]]:
    """Return the input pixels of each output pixel along one side, and their weights: a triangle filter."""
    scale = length / want
    reach = scale.clamp(min=1)
    centre = (torch.arange(want, device=first.device) + 0.5) * scale[:, None]
    # As many taps as the longest side needs, so that a sample does not depend on the rest of its batch.
    count = 2 * math.ceil(max(have / want, 1)) + 1
    index = (centre - reach[:, None]).floor()[:, :, None] + torch.arange(count, device=first.device)
    weight = (1 - ((index + 0.5 - centre[:, :, None]) / reach[:, None, None]).abs()).clamp(min=0)
    weight = weight * ((index >= 0) & (index < length[:, None, None]))
    inside = index.long().clamp(min=0).minimum(length[:, None, None] - 1)
    return first[:, None, None] + inside, weight / weight.sum(2, keepdim=True)


def _blank(images: UInt8[Tensor, "b c h w"], size: tuple[int, int]) -> UInt8[np.ndarray, "b h2 w2 c"]:
    return np.empty((len(images), *size, images.shape[1]), np.uint8)
