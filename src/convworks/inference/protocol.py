"""How often, where and how large an image is looked at when a network is measured: as the papers did it.

Sizes are multiples of the network's own, so that protocols made for 224x224 pixels serve any network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import UInt8

from convworks.data.config import Fit
from convworks.data.decode.picture import Picture
from convworks.data.decode.preprocess import Preprocessing, fit_array, fit_picture, middle, scale, scaled_size, to_input
from convworks.errors import InputError, nearest

Image = UInt8[np.ndarray, "_h _w _c"]
Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which views of an image a network answers for; what it says of the image is the mean of their probabilities.

    `frames` are scales of the image that crops of the network's size are cut from: the `corners` and the middle, or the
    middle alone; `squares` takes them from both ends of a longer side as well, and `shrunk` adds the frame itself,
    scaled to the network's size. `dense` are scales at which the network is laid over the whole image; its scores are
    averaged over all places. `moved` are pixels that the image is moved by along a diagonal, both ways, besides staying
    where it is. `mirrored` looks at each view in the mirror too.
    """

    summary: str
    frames: tuple[float, ...] = ()
    corners: bool = False
    squares: bool = False
    shrunk: bool = False
    dense: tuple[float, ...] = ()
    moved: int = 0
    mirrored: bool = False


CENTER = "center"
PROTOCOLS = {
    CENTER: Protocol(summary="one view: the image as the network was trained to get it"),
    "flip": Protocol(summary="that view and its mirror image", mirrored=True),
    "shift": Protocol(
        summary="that view, moved by a pixel along a diagonal both ways, and the mirror images (after Jordan 2024)",
        moved=1,
        mirrored=True,
    ),
    "ten-crop": Protocol(
        summary="four corners and the middle, and their mirror images (Krizhevsky et al. 2012, section 4.1)",
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
    """Return a protocol by name; an unknown one raises an InputError that lists them."""
    if name not in PROTOCOLS:
        reason = f"there is no protocol {name!r}{nearest(name, PROTOCOLS)}"
        raise InputError("--protocol", reason, f"choose from {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def views(picture: Picture, protocol: Protocol, preprocessing: Preprocessing) -> list[Image]:
    """Return the views of a decoded image that are no mirror images, each once.

    Crops have the network's size; dense ones that of the whole image, scaled, where the network was trained on crops.
    """
    size, fit = preprocessing.size, preprocessing.fit
    if protocol.dense:
        return [whole(picture, scaled_size(size, factor), fit) for factor in protocol.dense]
    if not protocol.frames:
        return _moved(to_input(picture, preprocessing), protocol.moved)
    found: list[Image] = []
    for factor in protocol.frames:
        larger = scaled_size(size, factor)
        around = whole(picture, larger, fit) if protocol.squares else fit_picture(picture, larger, fit)
        for top, left in starts(around.shape[:2], larger):
            frame = around[top : top + larger[0], left : left + larger[1]]
            found += [frame[y : y + size[0], x : x + size[1]] for y, x in places(larger, size, protocol.corners)]
            if protocol.shrunk:
                found.append(fit_array(frame, size, "squash"))
    return found


def _moved(image: Image, pixels: int) -> list[Image]:
    """Return an image, and where it is to be moved, it so, with mirrored pixels at the border."""
    if not pixels:
        return [image]
    height, width = image.shape[:2]
    larger = np.pad(image, ((pixels, pixels), (pixels, pixels), (0, 0)), mode="reflect")
    return [larger[at : at + height, at : at + width] for at in (pixels, 0, 2 * pixels)]


def largest(protocol: Protocol, preprocessing: Preprocessing) -> Size:
    """Return the greatest size that an image is scaled to: it need not be decoded any larger."""
    scales = (*protocol.frames, *protocol.dense) or (1 / preprocessing.share,)
    return scaled_size(preprocessing.size, max(scales))


def whole(picture: Picture, size: Size, fit: Fit) -> Image:
    """Scale an image so that it covers `size` and keeps its proportions, where networks are trained on crops of it.

    What is squashed, padded or put in a letterbox in training is so here.
    """
    if fit != "crop":
        return fit_picture(picture, size, fit)
    have = picture.size
    height, width = scaled_size(have, max(size[0] / have[0], size[1] / have[1]))
    return scale(picture.pixels, (max(size[0], height), max(size[1], width)))


def starts(have: Sequence[int], want: Size) -> list[Size]:
    """Return where (top, left) parts of a size lie along an image: at both ends and in the middle, each once."""
    rows, columns = ((0, middle(n, m), n - m) for n, m in zip(have, want, strict=True))
    return list(dict.fromkeys(product(rows, columns)))


def places(have: Size, want: Size, corners: bool) -> list[Size]:
    """Return where (top, left) crops of a size lie in a frame: in its corners, if they are wanted, and the middle."""
    down, right = have[0] - want[0], have[1] - want[1]
    centre = (middle(have[0], want[0]), middle(have[1], want[1]))
    return list(dict.fromkeys([*product((0, down), (0, right)), centre] if corners else [centre]))
