"""Decoding image files to uint8 pixels; any defect of a file raises an InputError that names it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from convworks.data.config import DECODING, MAX_PIXELS, Decoding
from convworks.data.decode import png
from convworks.data.decode.encoded import EmptyError, open_encoded
from convworks.data.decode.heic import HeicError
from convworks.data.decode.jpeg import DamagedError, decode_jpeg
from convworks.data.decode.picture import Picture, picture_of
from convworks.data.decode.quiet import quiet
from convworks.data.formats import NUMPY
from convworks.data.location import Location, open_bytes, read_bytes
from convworks.errors import ConvworksError, InputError

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
GREY = ("1", "L", "LA", "La", "I", "F")
ALPHA = ("LA", "La", "RGBA", "RGBa", "PA")
SMALLEST = 2  # pixels per side
NUMPY_START = b"\x93NUMPY"


def decode(
    path: Location,
    *,
    channels: int | None,
    at_least: tuple[int, int] | None = None,
    content: bytes | None = None,
    decoding: Decoding = DECODING,
) -> UInt8[np.ndarray, "h w c"]:
    """Return only the pixels of `read`."""
    return read(path, channels=channels, at_least=at_least, content=content, decoding=decoding).pixels


def read(
    path: Location,
    *,
    channels: int | None,
    at_least: tuple[int, int] | None = None,
    content: bytes | None = None,
    decoding: Decoding = DECODING,
) -> Picture:
    """Read an image: EXIF orientation applied, deeper pixels scaled to 8 bits, transparency composited on white.

    `channels` None keeps greyscale as 1 and gives 3 for the rest; 1 is luminance, 4 has alpha; other counts need a
    .npy file of uint8 [h, w, c]. A JPEG may be decoded at a reduced size, but at no less than 3 times `at_least`
    (h, w). `content` is that of the file, if already read.
    """
    content = read_bytes(path) if content is None else content
    numpy = path.suffix.lower() == NUMPY
    return read_content(path, content, numpy=numpy, channels=channels, at_least=at_least, decoding=decoding)


def read_content(
    where: object,
    content: bytes,
    *,
    numpy: bool,
    channels: int | None,
    at_least: tuple[int, int] | None = None,
    decoding: Decoding = DECODING,
) -> Picture:
    """Apply `read` to the bytes of an image file, or of a .npy file (`numpy`); `where` is its name in errors."""
    if numpy:
        picture = picture_of(read_numpy(where, content))
    else:
        with explained(where):
            jpeg = decode_jpeg(content, at_least, decoding.max_pixels)
            picture = jpeg or picture_of(to_array(_open_by_pillow(where, content, channels, decoding)))
    return picture._replace(pixels=to_channels(where, picture.pixels, channels))


def read_pillow(where: object, image: Image.Image, *, channels: int | None, decoding: Decoding = DECODING) -> Picture:
    """Apply `read` to a Pillow image of any mode, which is not modified."""
    with explained(where):
        check_size(where, *image.size, decoding.max_pixels)
        return picture_of(to_array(convert(ImageOps.exif_transpose(png.loaded(image)), channels, decoding)))


def read_array(where: object, array: UInt8[np.ndarray, "h w c"], *, channels: int | None) -> Picture:
    """Apply `read` to pixels; a fourth channel is alpha."""
    check_size(where, array.shape[1], array.shape[0])
    return picture_of(to_channels(where, array, channels))


def open_image(
    path: Location,
    *,
    channels: int | None,
    at_least: tuple[int, int] | None = None,
    decoding: Decoding = DECODING,
) -> Image.Image:
    """Return the result of `decode` as a Pillow image of mode L, RGB or RGBA."""
    pixels = decode(path, channels=channels, at_least=at_least, decoding=decoding)
    if pixels.shape[2] not in MODES:
        raise InputError(path, f"has {pixels.shape[2]} channels", "give an image with 1, 3 or 4")
    return to_image(pixels)


def to_channels(where: object, pixels: UInt8[np.ndarray, "h w c"], channels: int | None) -> UInt8[np.ndarray, "h w c2"]:
    """Convert pixels to another number of channels, as `convert` does; raises InputError if that is impossible."""
    have = pixels.shape[2]
    if channels in (None, have):
        return pixels
    if have not in MODES or channels not in MODES:
        remedy = "give images with the channels that the network was trained on"
        raise InputError(where, f"has {have} channels, not {channels}", remedy)
    if (have, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=2)
    return to_array(convert(to_image(pixels), channels))


def convert(image: Image.Image, channels: int | None, decoding: Decoding = DECODING) -> Image.Image:
    """Convert a Pillow image of any mode to L, RGB or RGBA."""
    if channels is None:
        channels = _native(image.mode)
    mode = MODES.get(channels)
    if mode is None:
        raise ValueError(f"an image file gives 1, 3 or 4 channels, not {channels}")
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image, decoding.float_range)
    if channels != 4 and (image.mode in ALPHA or "transparency" in image.info):
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        # By way of RGB, because conversion to luminance does not accept alpha.
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def to_array(image: Image.Image) -> UInt8[np.ndarray, "h w c"]:
    """Return the pixels of an L, RGB or RGBA image as a new array."""
    return np.array(image).reshape(image.height, image.width, -1)


def to_image(pixels: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """Return 1, 3 or 4 channels as an L, RGB or RGBA image."""
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def probe(path: Location, *, max_pixels: int | None = MAX_PIXELS) -> Probe:
    """Read only the header of an image: displayed size (after EXIF orientation), channels, mode, format, frames.

    Raises InputError for more than `max_pixels` (None: no limit).
    """
    if path.suffix.lower() == NUMPY:
        height, width, channels = read_numpy(path, read_bytes(path)).shape
        transparent = MODES.get(channels) in ALPHA
        return Probe(width=width, height=height, channels=channels, mode="uint8", format="NPY", transparent=transparent)
    with explained(path), open_bytes(path) as file:
        return probe_file(path, file, max_pixels)


def probe_file(where: object, file: IO[bytes] | io.BytesIO, max_pixels: int | None = MAX_PIXELS) -> Probe:
    """Apply `probe` to an opened image file; `where` is its name in errors."""
    with explained(where), open_encoded(file) as image:
        width, height = image.size
        check_size(where, width, height, max_pixels)
        # Pillow applies the orientation to the size of a TIFF on opening, for other formats only with the pixels.
        if image.format != "TIFF":
            exif = png.exif(image, file) if image.format == "PNG" else image.getexif()
            if exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8):
                width, height = height, width
        return Probe(
            width=width,
            height=height,
            channels=_native(image.mode),
            mode=image.mode,
            format=image.format or "?",
            several_frames=has_several_frames(image),
            deep=is_deep(image),
            transparent=image.mode in ALPHA or "transparency" in image.info,
        )


def _open_by_pillow(path: object, content: bytes, channels: int | None, decoding: Decoding) -> Image.Image:
    with io.BytesIO(content) as file, open_encoded(file) as opened:
        check_size(path, *opened.size, decoding.max_pixels)
        image = png.loaded(opened)
        ImageOps.exif_transpose(image, in_place=True)
        return convert(image, channels, decoding)


def is_deep(image: Image.Image) -> bool:
    """Return whether pixels have more than 8 bits a channel; those of colours can be seen only before they are loaded.

    A mode tells it of grey pixels; Pillow reduces colours, whose bits are in the layout of the file.
    """
    layouts = [str(tile[3]) for tile in getattr(image, "tile", ())]
    return image.mode.startswith(("I", "F")) or any(re.search(";16[BLN]", layout) for layout in layouts)


def has_several_frames(image: Image.Image) -> bool:
    """Return whether there are several frames or pages; embedded previews of a photograph (MPO) do not count."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except Exception:  # a damaged second frame raises almost anything
        return False


@contextmanager
def explained(path: object) -> Iterator[None]:
    """Convert any exception of decoding into an InputError that names the file."""
    try:
        with quiet():
            yield
    except ConvworksError:
        raise
    except FloatRangeError as error:
        remedy = "convert it; in training, data.float_range=LOW,HIGH sets the values of black and white"
        raise InputError(path, f"cannot be decoded ({error})", remedy) from None
    except HeicError as error:
        raise InputError(path, str(error), "install it, or convert the image") from None
    except EmptyError:
        raise InputError(path, "is empty (0 bytes)", "replace or remove it") from None
    except UnidentifiedImageError:
        raise InputError(path, "is not an image in a supported format", "convert, repair or remove it") from None
    except DamagedError as error:
        raise InputError(path, f"is damaged ({error})", "repair or remove it") from None
    except Exception as error:  # a damaged file raises almost anything
        if isinstance(error, OSError) and error.errno is not None:
            raise _unreadable(path, error) from None
        reason = str(error) or type(error).__name__
        raise InputError(path, f"cannot be decoded ({reason})", "repair or remove it") from None


def _unreadable(path: object, error: OSError) -> InputError:
    return InputError(path, f"cannot be read ({error.strerror})", "check the file and its permissions")


def read_numpy(path: object, content: bytes) -> UInt8[np.ndarray, "h w c"]:
    """Read the bytes of a .npy file of uint8 [h, w] or [h, w, c]; raises InputError for any other."""
    try:
        with io.BytesIO(content) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except ConvworksError:
        raise
    except Exception as error:  # a damaged header raises almost anything
        raise InputError(
            path,
            f"is not a .npy array ({(str(error) or type(error).__name__).splitlines()[0]})",
            "save it with numpy.save",
        ) from None
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(path, f"holds {array.dtype} {array.shape}, not uint8 [h, w] or [h, w, c]", "convert it")
    check_size(path, array.shape[1], array.shape[0])
    return array.reshape(*array.shape[:2], -1)


def check_size(path: object, width: int, height: int, max_pixels: int | None = None) -> None:
    """Raise InputError for an image of more than `max_pixels`, or of too few."""
    if max_pixels is not None and width * height > max_pixels:
        reason = f"has {width * height:,} pixels, more than {max_pixels:,}"
        remedy = "scale it down, or raise the limit: data.max_pixels in training, else --max-pixels N"
        raise InputError(path, reason, remedy)
    if min(width, height) < SMALLEST:
        reason = f"has {width}x{height} pixels; at least {SMALLEST}x{SMALLEST} are needed"
        raise InputError(path, reason, "replace or remove it")


def _native(mode: str) -> int:
    return 1 if mode in GREY or mode.startswith("I;16") else 3


def _to_8_bits(image: Image.Image, float_range: tuple[float, float]) -> Image.Image:
    """Scale deep greyscale pixels to 8 bits: integers from 0..65535, floats from `float_range`; keep transparency."""
    values = np.asarray(image).astype(np.float64)
    lowest, highest = values.min(), values.max()
    black, white = float_range if image.mode == "F" else (0.0, 65535.0)
    if not (lowest >= black and highest <= white):  # such that NaN fails too
        reason = f"its pixels range from {lowest:g} to {highest:g}, outside {black:g}..{white:g}"
        raise FloatRangeError(reason) if image.mode == "F" else ValueError(reason)
    grey = Image.fromarray(np.round((values - black) * (255 / (white - black))).astype(np.uint8))
    if "transparency" in image.info:
        opaque = values != image.info["transparency"]
        grey.putalpha(Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8)))
    return grey


class FloatRangeError(ValueError):
    """Floating-point pixels outside the range of the source."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The header of an image file; sizes in pixels; `several_frames` if it has more than one frame or page.

    Those of `deep` pixels are more than 8 bits a channel. Without `transparent`, all pixels are opaque.
    """

    width: int
    height: int
    channels: int
    mode: str
    format: str
    several_frames: bool = False
    deep: bool = False
    transparent: bool = False
