"""Decoding masks: images whose pixels are numbers of classes, or colours that stand for classes."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image, ImageFile, ImageOps
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile

from convworks.data.column import IGNORED, LARGEST, Coding, written
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import check_size, explained, read_numpy
from convworks.data.decode.encoded import open_encoded
from convworks.data.decode.png import SPREAD
from convworks.errors import InputError

REMEDY = "save the number of each pixel's class as a greyscale or palette PNG, or name the colours in classes.csv"
UNKNOWN = -1
#: The white of greyscale of 16 bits.
DEEPEST = 65535
#: Formats whose compression changes numbers, or may do so, and those of the compressions of TIFF.
LOSSY = {"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF", "HEIF"}
LOSSY_TIFF = {"jpeg", "tiff_jpeg", "webp"}
#: Classes that an error names.
SHOWN = 12


def read_numbers(
    where: object, content: bytes, *, numpy: bool, decoding: Decoding = DECODING, coding: Coding | None = None
) -> UInt8[np.ndarray, "h w 1"]:
    """Read the bytes of a mask: grey values and palette indices as they are stored, with EXIF orientation applied.

    With a `coding`, the result holds the index of each pixel's class, or IGNORED. `numpy` says that it is a .npy file;
    `where` is its name in errors. Raises InputError for colours without a coding, for values that stand for no class,
    for numbers above 255, and for formats whose compression, or whose white, changes numbers.
    """
    if numpy:
        values = read_numpy(where, content)
        if values.shape[2] != 1 and not (coding is not None and coding.coloured):
            raise InputError(where, f"has {values.shape[2]} channels, a mask has 1", REMEDY)
    else:
        with explained(where), io.BytesIO(content) as file, open_encoded(file) as image:
            check_size(where, *image.size, decoding.max_pixels)
            if image.format in LOSSY or image.info.get("compression") in LOSSY_TIFF:
                reason = f"is a {image.format}, whose compression changes the numbers of a mask"
                raise InputError(where, reason, REMEDY)
            layout = _layout(image)
            if ";16" in layout and not image.mode.startswith("I"):  # Pillow keeps the high byte alone: 0
                raise InputError(where, f"has 16 bits in each of its channels ({image.mode})", REMEDY)
            if coding is None or not coding.coloured:
                _refuse_changed(where, image)
            mask = ImageOps.exif_transpose(image)
            if coding is not None and coding.coloured:
                values = np.asarray(mask.convert("RGB"))
            else:
                values = (_numbers(where, mask) // SPREAD.get(layout, 1))[:, :, None]
    return values if coding is None else _coded(where, values, coding)


def _refuse_changed(where: object, image: ImageFile.ImageFile) -> None:
    """Raise InputError for grey values that Pillow scales to 0..255 or 0..65535, or inverts, when it reads them."""
    white = None
    if image.format == "PPM" and image.mode != "F" and isinstance(arguments := image.tile[0].args, tuple):
        white = arguments[1] if arguments[1] not in (LARGEST, DEEPEST) else None
    elif isinstance(image, TiffImageFile) and image.mode == "L" and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0:
        white = 0
    if white is not None:
        raise InputError(where, f"has {white} as white, so that its numbers would be changed", REMEDY)


def _layout(image: Image.Image) -> str:
    """Return how the pixels of an opened image are stored, in the words of Pillow."""
    tiles = getattr(image, "tile", ())
    if not tiles:
        return ""
    arguments = tiles[0].args
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _numbers(where: object, image: Image.Image) -> UInt8[np.ndarray, "h w"]:
    if image.mode in ("RGB", "RGBA", "LA"):
        colours = np.asarray(image.convert("RGB"))
        if (colours == colours[:, :, :1]).all():  # grey that was saved as colour
            grey: np.ndarray = colours[:, :, 0]
            return grey
    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        raise InputError(where, f"has colours (mode {image.mode}), a mask has numbers of classes", REMEDY)
    values = np.asarray(image)
    if image.mode.startswith("I") and not 0 <= values.min() <= values.max() <= LARGEST:
        reason = f"has numbers from {values.min()} to {values.max()}, a mask has 0 to {LARGEST}"
        raise InputError(where, reason, "number the classes so")
    return values.astype(np.uint8)


def _coded(where: object, values: UInt8[np.ndarray, "h w c"], coding: Coding) -> UInt8[np.ndarray, "h w 1"]:
    """Return the index of the class that each value stands for."""
    classes = [
        *((value, index) for index, value in enumerate(coding.values) if value),
        *((v, IGNORED) for v in coding.ignored),
    ]
    if values.shape[2] == 1:
        table = np.full(LARGEST + 1, UNKNOWN)
        table[[value[0] for value, _ in classes]] = [index for _, index in classes]
        indices = table[values[:, :, 0]]
    else:
        packed = _packed(values)
        known = dict(sorted((_key(value), index) for value, index in classes))
        keys = np.array(list(known), dtype=np.int64)
        places = np.searchsorted(keys, packed).clip(max=len(keys) - 1)
        indices = np.where(keys[places] == packed, np.array(list(known.values()))[places], UNKNOWN)
    if (indices == UNKNOWN).any():
        y, x = np.argwhere(indices == UNKNOWN)[0].tolist()
        raise _unknown(where, tuple(values[y, x].tolist()), x, y, coding)
    mask: np.ndarray = indices.astype(np.uint8)[:, :, None]
    return mask


def _packed(colours: UInt8[np.ndarray, "h w 3"]) -> Int64[np.ndarray, "h w"]:
    """Return each colour as one number."""
    red, green, blue = (colours[:, :, channel].astype(np.int64) for channel in range(3))
    return red << 16 | green << 8 | blue


def _key(value: tuple[int, ...]) -> int:
    """Return the number that `_packed` makes of a colour; a number is a grey."""
    red, green, blue = value if len(value) > 1 else value * 3
    return red << 16 | green << 8 | blue


def _unknown(where: object, value: tuple[int, ...], x: int, y: int, coding: Coding) -> InputError:
    """Return the error that names a value which stands for no class, and its first pixel."""
    kind = "colour" if coding.coloured else "value"
    values = [written(value) for value in coding.values if value]
    known = ", ".join(values[:SHOWN]) + (", ..." if len(values) > SHOWN else "")
    reason = f"has the {kind} {written(value)} at x={x}, y={y}, which stands for no class (known: {known})"
    return InputError(where, reason, f"correct it, or name the {kind} in classes.csv")
