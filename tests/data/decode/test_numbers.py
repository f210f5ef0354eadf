"""Masks: the numbers of their pixels as they are stored, fitted without interpolation."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convworks.data.column import Files, Spatial
from convworks.data.decode.load_files import load_image
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError

MASK = Spatial(nearest=True, fill=255)
NUMBERS = np.array([[0, 1, 2, 3], [1, 1, 2, 2], [3, 3, 0, 0]], np.uint8)


def fitted(path: Path, size: tuple[int, int] = (3, 4), fit: str = "crop") -> np.ndarray:
    preprocessing = Preprocessing.model_validate({"size": size, "channels": 1, "fit": fit, "mean": [0], "std": [1]})
    return load_image(path, preprocessing, spatial=MASK)[:, :, 0]


def palette() -> Image.Image:
    image = Image.fromarray(NUMBERS).convert("P")
    image.putdata(NUMBERS.flatten().tolist())
    image.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200, 90, 90, 90])
    return image


KINDS = {
    "grey": Image.fromarray(NUMBERS),
    "palette": palette(),
    "16 bits": Image.fromarray(NUMBERS.astype(np.uint16)),
    "32 bits": Image.fromarray(NUMBERS.astype(np.int32)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_read_as_they_are_stored(kind: str, tmp_path: Path) -> None:
    KINDS[kind].save(tmp_path / "mask.png" if kind != "32 bits" else tmp_path / "mask.tif")
    (path,) = tmp_path.iterdir()
    np.testing.assert_array_equal(fitted(path), NUMBERS)


def png(bits: int, colour: int, rows: bytes) -> bytes:
    """Return a PNG of 4x3 pixels; each row begins with its filter."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 4, 3, bits, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_a_pixel_are_not_spread_over_the_grey_levels(bits: int, tmp_path: Path) -> None:
    numbers = NUMBERS % 2**bits
    texts = ["".join(f"{value:0{bits}b}" for value in row).ljust(16, "0") for row in numbers.tolist()]
    rows = b"".join(b"\0" + int(text[: -(-4 * bits // 8) * 8], 2).to_bytes(-(-4 * bits // 8), "big") for text in texts)
    (tmp_path / "mask.png").write_bytes(png(bits, 0, rows))
    np.testing.assert_array_equal(fitted(tmp_path / "mask.png"), numbers)


def tiff(white: int) -> bytes:
    """Return a TIFF of 4x3 grey values, in which 0 is white, or black (1)."""
    data = NUMBERS.tobytes()
    tags = [(256, 4), (257, 3), (258, 8), (259, 1), (262, white), (273, 8), (278, 3), (279, len(data))]
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    return head + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)


PLAIN = " ".join(str(number) for number in NUMBERS.flatten().tolist()).encode()
STORED: dict[str, bytes | Image.Image] = {
    "mask.tif": tiff(1),
    "mask.pgm": b"P5\n4 3\n255\n" + NUMBERS.tobytes(),
    "plain.pgm": b"P2\n4 3\n255\n" + PLAIN,
    "deep.pgm": b"P5\n4 3\n65535\n" + NUMBERS.astype(">u2").tobytes(),
    "plain, deep.pgm": b"P2\n4 3\n65535\n" + PLAIN,
    "grey.bmp": Image.fromarray(NUMBERS),
    "palette.bmp": palette(),
    "grey.gif": Image.fromarray(NUMBERS),
    "palette.gif": palette(),
    "packed.tif": Image.fromarray(NUMBERS),
    "palette.tif": palette(),
}


@pytest.mark.parametrize("name", STORED)
def test_other_formats_too_are_read_as_they_are_stored(name: str, tmp_path: Path) -> None:
    content = STORED[name]
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        content.save(tmp_path / name, **({"compression": "tiff_lzw"} if name == "packed.tif" else {}))
    np.testing.assert_array_equal(fitted(tmp_path / name), NUMBERS)


CHANGED = {
    "mask.tif": (tiff(0), "has 0 as white"),
    "mask.pgm": (b"P5\n4 3\n3\n" + NUMBERS.tobytes(), "has 3 as white"),
    "plain.pgm": (b"P2\n4 3\n3\n" + PLAIN, "has 3 as white"),
    "deep.pgm": (b"P5\n4 3\n300\n" + NUMBERS.astype(">u2").tobytes(), "has 300 as white"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_grey_values_that_would_be_scaled_or_inverted_are_refused(name: str, tmp_path: Path) -> None:
    content, reason = CHANGED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{reason}, so that its numbers would be changed.*greyscale or palette PNG"):
        fitted(tmp_path / name)


def test_a_numpy_file_is_a_mask(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", NUMBERS)
    np.testing.assert_array_equal(fitted(tmp_path / "mask.npy"), NUMBERS)


def test_scaling_repeats_pixels_and_padding_has_the_fill(tmp_path: Path) -> None:
    Image.fromarray(NUMBERS).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(fitted(tmp_path / "mask.png", (6, 8)), NUMBERS.repeat(2, 0).repeat(2, 1))
    whole = fitted(tmp_path / "mask.png", (8, 8), "letterbox")
    np.testing.assert_array_equal(whole[1:7], NUMBERS.repeat(2, 0).repeat(2, 1))
    assert set(whole[[0, 7]].flatten().tolist()) == {255}
    padded = fitted(tmp_path / "mask.png", (5, 4), "pad")
    assert (padded[0].tolist(), padded[1:4].tolist()) == ([255] * 4, NUMBERS.tolist())


WRONG = {
    "colours.png": (Image.new("RGB", (4, 4), (200, 10, 10)), "has colours"),
    "lossy.jpg": (Image.new("L", (4, 4)), "is a JPEG"),
    "lossy.tif": (Image.new("L", (4, 4)), "is a TIFF, whose compression"),
    "lossy.webp": (Image.new("L", (4, 4)), "is a WEBP, whose compression"),
    "lossy.jp2": (Image.new("L", (4, 4)), "is a JPEG2000, whose compression"),
    "deep.png": (Image.fromarray(np.full((4, 4), 256, np.uint16)), "has numbers from 256 to 256"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_images_are_refused(name: str, tmp_path: Path) -> None:
    image, reason = WRONG[name]
    image.save(tmp_path / name, **({"compression": "jpeg"} if name == "lossy.tif" else {}))
    with pytest.raises(InputError, match=reason):
        fitted(tmp_path / name, (4, 4))
    assert Files((tmp_path / name,), MASK).contents() == [(tmp_path / name).stat().st_size]


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_channels_of_16_bits_are_refused(colour: int, channels: int, tmp_path: Path) -> None:
    """Pillow would read numbers below 256 as 0."""
    (tmp_path / "mask.png").write_bytes(png(16, colour, (b"\0" + 4 * channels * b"\0\1") * 3))
    with pytest.raises(InputError, match="has 16 bits in each of its channels"):
        fitted(tmp_path / "mask.png")
