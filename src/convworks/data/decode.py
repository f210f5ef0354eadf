"""From an image file to uint8 pixels; whatever is wrong with the file becomes an InputError that names it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from convworks.data.jpeg import decode_jpeg
from convworks.data.place import Place, open_bytes, read_bytes
from convworks.data.quiet import quiet
from convworks.errors import ConvworksError, InputError

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
GREY = ("1", "L", "LA", "La", "I", "F")
ALPHA = ("LA", "La", "RGBA", "RGBa", "PA")
NUMPY = ".npy"
SMALLEST = 2  # pixels a side


def decode(
    path: Place, *, channels: int | None, at_least: tuple[int, int] | None = None, content: bytes | None = None
) -> UInt8[np.ndarray, "h w c"]:
    """Read an image: EXIF orientation applied, deeper pixels scaled to 8 bits, transparency laid on white.

    `channels` None keeps grey as 1 and gives 3 for the rest; 1 is luminance, 4 has alpha; other counts need a
    .npy file of uint8 [h, w, c]. A JPEG may be smaller, but not below 3 times `at_least` (h, w). `content` is that of
    the file, where it has been read already.
    """
    if path.suffix.lower() == NUMPY:
        array = _read_numpy(path, read_bytes(path) if content is None else content)
        if channels in (None, array.shape[2]):
            return array
        with _explained(path):
            return to_array(convert(_as_image(path, array, channels), channels))
    found = _read(path, content, channels, at_least)
    return found if isinstance(found, np.ndarray) else to_array(found)


def open_image(
    path: Place, *, channels: int | None, at_least: tuple[int, int] | None = None, content: bytes | None = None
) -> Image.Image:
    """Read as `decode` does, in mode L, RGB or RGBA; a JPEG may be smaller, but not below 3 times `at_least` (h, w)."""
    if path.suffix.lower() == NUMPY:
        content = read_bytes(path) if content is None else content
        with _explained(path):
            return convert(_as_image(path, _read_numpy(path, content), channels), channels)
    found = _read(path, content, channels, at_least)
    return _as_picture(found) if isinstance(found, np.ndarray) else found


def convert(image: Image.Image, channels: int | None) -> Image.Image:
    """Bring a Pillow image of any mode to L, RGB or RGBA."""
    if channels is None:
        channels = _native(image.mode)
    mode = MODES.get(channels)
    if mode is None:
        raise ValueError(f"an image file gives 1, 3 or 4 channels, not {channels}")
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if channels != 4 and (image.mode in ALPHA or "transparency" in image.info):
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        # Through RGB, for luminance does not know alpha.
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def to_array(image: Image.Image) -> UInt8[np.ndarray, "h w c"]:
    """Return the pixels of an L, RGB or RGBA image as an array of its own."""
    return np.array(image).reshape(image.height, image.width, -1)


def probe(path: Place) -> Probe:
    """Read the header of an image alone: size as shown (after EXIF orientation), channels, mode, format."""
    if path.suffix.lower() == NUMPY:
        height, width, channels = _read_numpy(path, read_bytes(path)).shape
        return Probe(width=width, height=height, channels=channels, mode="uint8", format="NPY")
    with _explained(path), open_bytes(path) as file, Image.open(file) as image:
        width, height = image.size
        _check_size(path, width, height)
        # Pillow turns the size of a TIFF by itself, of other formats only with the pixels.
        if image.format != "TIFF" and image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8):
            width, height = height, width
        return Probe(
            width=width,
            height=height,
            channels=_native(image.mode),
            mode=image.mode,
            format=image.format or "?",
        )


def _read(
    path: Place, content: bytes | None, channels: int | None, at_least: tuple[int, int] | None
) -> Image.Image | np.ndarray:
    """Read an image file: as an array, where nobody needs more, for a copy takes a tenth of the time of decoding."""
    content = read_bytes(path) if content is None else content
    with _explained(path):
        pixels = decode_jpeg(content, at_least)
        if pixels is None:
            return _open_by_pillow(path, content, channels, at_least)
        return pixels if channels in (None, pixels.shape[2]) else convert(_as_picture(pixels), channels)


def _open_by_pillow(path: Place, content: bytes, channels: int | None, at_least: tuple[int, int] | None) -> Image.Image:
    with io.BytesIO(content) as file, Image.open(file) as image:
        _check_size(path, *image.size)
        if at_least is not None and image.format == "JPEG":
            # Decoding at a half or a quarter is much faster; resampling by 3 or more hides the difference.
            side = 3 * max(at_least) if "exif" in image.info else 0  # it may be turned
            image.draft(None, (max(side, 3 * at_least[1]), max(side, 3 * at_least[0])))
        image.load()
        if image.format != "JPEG" or "exif" in image.info or "xmp" in image.info:  # looking is slow on small images
            ImageOps.exif_transpose(image, in_place=True)
        return convert(image, channels)


@contextmanager
def _explained(path: Place) -> Iterator[None]:
    """Turn whatever Pillow raises into an InputError that names the file."""
    try:
        with quiet():
            yield
    except ConvworksError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        pixels, limit, *_ = [*re.findall(r"\d+", str(error)), "?", "?"]
        raise InputError(path, f"has {pixels} pixels, more than {limit}", "scale it down, or remove it") from None
    except UnidentifiedImageError:
        raise InputError(path, "is no image in a format that Pillow knows", "repair or remove it") from None
    except Exception as error:  # a damaged file raises nearly anything
        if isinstance(error, OSError) and error.errno is not None:
            raise _unreadable(path, error) from None
        reason = str(error) or type(error).__name__
        raise InputError(path, f"cannot be decoded ({reason})", "repair or remove it") from None


def _unreadable(path: Place, error: OSError) -> InputError:
    return InputError(path, f"cannot be read ({error.strerror})", "check the file and its permissions")


def _read_numpy(path: Place, content: bytes) -> UInt8[np.ndarray, "h w c"]:
    try:
        with io.BytesIO(content) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except ConvworksError:
        raise
    except Exception as error:  # a damaged header raises nearly anything
        raise InputError(
            path,
            f"is no .npy array ({(str(error) or type(error).__name__).splitlines()[0]})",
            "save it with numpy.save",
        ) from None
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(path, f"holds {array.dtype} {array.shape}, not uint8 [h, w] or [h, w, c]", "convert it")
    _check_size(path, array.shape[1], array.shape[0])
    return array.reshape(*array.shape[:2], -1)


def _as_image(path: Place, array: UInt8[np.ndarray, "h w c"], channels: int | None) -> Image.Image:
    if array.shape[2] not in MODES or channels not in (None, *MODES):
        raise InputError(path, f"has {array.shape[2]} channels, not {channels}", "give images with equal channels")
    return _as_picture(array)


def _as_picture(array: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array))


def _check_size(path: Place, width: int, height: int) -> None:
    if min(width, height) < SMALLEST:
        reason = f"is {width}x{height} pixels, at least {SMALLEST}x{SMALLEST} are needed"
        raise InputError(path, reason, "replace or remove it")


def _native(mode: str) -> int:
    return 1 if mode in GREY or mode.startswith("I;16") else 3


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep grey pixels: integers are 0..65535, floats 0..1 or, when any is above 1, 0..255."""
    values = np.asarray(image).astype(np.float64)
    lowest, highest = values.min(), values.max()
    top = 65535.0 if image.mode.startswith("I") else (1.0 if highest <= 1 else 255.0)
    if not (lowest >= 0 and highest <= top):  # written so that NaN fails
        raise ValueError(f"its pixels range from {lowest:g} to {highest:g}, outside 0..{top:g}")
    return Image.fromarray(np.round(values * (255 / top)).astype(np.uint8))


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the header of an image file says; sizes in pixels."""

    width: int
    height: int
    channels: int
    mode: str
    format: str
