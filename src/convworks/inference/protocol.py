"""Evaluation protocols: the views (crops, scales, mirror images) over which predictions are averaged, as in the papers.

Sizes are multiples of the network's own, so that protocols for 224x224 pixels apply to any network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import UInt8

from convworks.data.config import MAX_PIXELS, Fit
from convworks.data.decode.picture import Picture
from convworks.data.decode.preprocess import (
    Preprocessing,
    covering_size,
    fit_array,
    fit_picture,
    middle,
    scale,
    scaled_size,
    to_input,
)
from convworks.errors import InputError, nearest

Image = UInt8[np.ndarray, "_h _w _c"]
Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The views of an image; the prediction is the mean of their probabilities.

    Attributes:
        frames: scales of the image from which crops of the network's size are cut: the middle one, and with `corners`
            the four corners.
        squares: take frames from both ends of the longer side as well.
        shrunk: add the frame itself, scaled to the network's size.
        dense: scales at which the network is applied convolutionally to the whole image; its scores are averaged over
            all positions.
        moved: number of pixels by which the image is also moved along a diagonal, both ways.
        mirrored: add the mirror image of each view.
    """

    summary: str
    frames: tuple[float, ...] = ()
    corners: bool = False
    squares: bool = False
    shrunk: bool = False
    dense: tuple[float, ...] = ()
    moved: int = 0
    mirrored: bool = False

    @property
    def whole(self) -> bool:
        """Whether the views are the image as in training, and its mirror image."""
        return not (self.frames or self.dense or self.moved)


CENTER = "center"
PROTOCOLS = {
    CENTER: Protocol(summary="one view: the image as in training, without augmentation"),
    "flip": Protocol(summary="that view and its mirror image", mirrored=True),
    "shift": Protocol(
        summary="that view, moved by a pixel along a diagonal both ways, and the mirror images (after Jordan 2024)",
        moved=1,
        mirrored=True,
    ),
    "ten-crop": Protocol(
        summary="four corners and the centre, and their mirror images (Krizhevsky et al. 2012, section 4.1)",
        frames=(256 / 224,),
        corners=True,
        mirrored=True,
    ),
    "144-crop": Protocol(
        summary="four scales, three squares, six crops, two mirror images (Szegedy et al. 2014, section 7)",
        frames=(256 / 224, 288 / 224, 320 / 224, 352 / 224),
        corners=True,
        squares=True,
        shrunk=True,
        mirrored=True,
    ),
    "dense": Protocol(
        summary="the network as a convolution over the whole image, and its mirror image (Simonyan and Zisserman 2014, "
        "section 3.2)",
        dense=(256 / 224,),
        mirrored=True,
    ),
    "multi-scale": Protocol(
        summary="dense at three scales (Simonyan and Zisserman 2014, section 4.2)",
        dense=(224 / 224, 256 / 224, 288 / 224),
        mirrored=True,
    ),
}


def named(name: str) -> Protocol:
    """Return a protocol by name; InputError for an unknown name."""
    if name not in PROTOCOLS:
        reason = f"there is no protocol {name!r}{nearest(name, PROTOCOLS)}"
        raise InputError("--protocol", reason, f"choose from {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def check_whole(name: str) -> None:
    """Raise InputError for a protocol whose views are parts of the image: answers for its pixels need all of it."""
    if not named(name).whole:
        reason = f"{name} averages answers for parts of an image, not for its pixels"
        raise InputError("--protocol", reason, f"choose {CENTER} or flip")


def views(
    picture: Picture, protocol: Protocol, preprocessing: Preprocessing, *, where: object = "image"
) -> list[Image]:
    """Return the distinct views of a decoded image, without mirror images.

    Crops have the network's size; dense views are the whole scaled image, if the network was trained on crops. Raises
    InputError for an image that becomes too large; `where` is its name.
    """
    size, fit, limit = preprocessing.size, preprocessing.fit, preprocessing.decoding.max_pixels
    if protocol.dense:
        return [scale_to_cover(picture, scaled_size(size, factor), fit, limit, where) for factor in protocol.dense]
    if not protocol.frames:
        return _moved(to_input(picture, preprocessing), protocol.moved)
    images: list[Image] = []
    for factor in protocol.frames:
        larger = scaled_size(size, factor)
        if protocol.squares:
            covering = scale_to_cover(picture, larger, fit, limit, where)
        else:
            covering = fit_picture(picture, larger, fit)
        for top, left in frame_offsets(covering.shape[:2], larger):
            frame = covering[top : top + larger[0], left : left + larger[1]]
            images += [frame[y : y + size[0], x : x + size[1]] for y, x in crop_offsets(larger, size, protocol.corners)]
            if protocol.shrunk:
                images.append(fit_array(frame, size, "squash"))
    return images


def _moved(image: Image, pixels: int) -> list[Image]:
    """Return an image, and if `pixels` is not 0 also its two shifted copies, with reflected pixels at the border."""
    if not pixels:
        return [image]
    height, width = image.shape[:2]
    larger = np.pad(image, ((pixels, pixels), (pixels, pixels), (0, 0)), mode="reflect")
    return [larger[offset : offset + height, offset : offset + width] for offset in (pixels, 0, 2 * pixels)]


def largest(protocol: Protocol, preprocessing: Preprocessing) -> Size:
    """Return the largest size that an image is scaled to: it need not be decoded larger."""
    scales = (*protocol.frames, *protocol.dense) or (1 / preprocessing.crop_fraction,)
    return scaled_size(preprocessing.size, max(scales))


def scale_to_cover(
    picture: Picture, size: Size, fit: Fit, max_pixels: int = MAX_PIXELS, where: object = "image"
) -> Image:
    """Scale an image to cover `size` with its aspect ratio, if the network was trained on crops.

    Images that were squashed, padded or letterboxed in training are treated the same here. Raises InputError for an
    image that becomes larger than `max_pixels`.
    """
    if fit != "crop":
        return fit_picture(picture, size, fit)
    height, width = covering_size(where, picture.size, size, max_pixels)
    return scale(picture.pixels, (max(size[0], height), max(size[1], width)))


def frame_offsets(size: Sequence[int], part: Size) -> list[Size]:
    """Return the distinct offsets (top, left) of parts in an image: at both ends and in the middle."""
    rows, columns = ((0, middle(n, m), n - m) for n, m in zip(size, part, strict=True))
    return list(dict.fromkeys(product(rows, columns)))


def crop_offsets(size: Size, crop: Size, corners: bool) -> list[Size]:
    """Return the distinct offsets (top, left) of crops in a frame: the middle, and with `corners` the corners."""
    bottom, right = size[0] - crop[0], size[1] - crop[1]
    centre = (middle(size[0], crop[0]), middle(size[1], crop[1]))
    return list(dict.fromkeys([*product((0, bottom), (0, right)), centre] if corners else [centre]))
