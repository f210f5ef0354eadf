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


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_a_pixel_are_not_spread_over_the_grey_levels(bits: int, tmp_path: Path) -> None:
    numbers = NUMBERS % 2**bits

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    texts = ["".join(f"{value:0{bits}b}" for value in row).ljust(16, "0") for row in numbers.tolist()]
    rows = b"".join(b"\0" + int(text[: -(-4 * bits // 8) * 8], 2).to_bytes(-(-4 * bits // 8), "big") for text in texts)
    header = struct.pack(">IIBBBBB", 4, 3, bits, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    np.testing.assert_array_equal(fitted(tmp_path / "mask.png"), numbers)


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
    "deep.png": (Image.fromarray(np.full((4, 4), 256, np.uint16)), "has numbers from 256 to 256"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_images_are_refused(name: str, tmp_path: Path) -> None:
    image, reason = WRONG[name]
    image.save(tmp_path / name)
    with pytest.raises(InputError, match=reason):
        fitted(tmp_path / name, (4, 4))
    assert Files((tmp_path / name,), MASK).contents() == [(tmp_path / name).stat().st_size]
