"""PNG files against an independent writer and reference arithmetic."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from thorough import repeats

from convworks.data.decode import png
from convworks.data.decode.decode import decode, open_image, probe
from convworks.data.decode.quiet import quiet

GREY, COLOUR = 0, 2  # kinds of PNG


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def written(values: np.ndarray, bits: int, transparent: np.ndarray | None, after: bytes = b"") -> bytes:
    """Write values [h, w, c] with `bits` bits as a PNG with a transparent one."""
    height, width, channels = values.shape
    rows = []
    for row in values.reshape(height, -1):
        digits = "".join(f"{value:0{bits}b}" for value in row)
        digits += "0" * (-len(digits) % 8)
        rows.append(b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big"))
    header = struct.pack(">IIBBBBB", width, height, bits, COLOUR if channels == 3 else GREY, 0, 0, 0)
    colour = b"" if transparent is None else chunk(b"tRNS", b"".join(int(v).to_bytes(2, "big") for v in transparent))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + colour + pixels + after + chunk(b"IEND", b"")


@settings(max_examples=repeats(25, 100))
@given(st.sampled_from([(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)]), st.data())
def test_one_transparent_colour(tmp_path_factory: pytest.TempPathFactory, kind: tuple[int, int], draw: st.DataObject):  # type: ignore[no-untyped-def]
    """Pixels of exactly that colour are white; all others are unchanged."""
    bits, channels = kind
    top = 2**bits - 1
    seed = draw.draw(st.integers(0, 2**31))
    random = np.random.default_rng(seed)
    colour = random.integers(0, top + 1, channels)
    near = np.clip(colour + random.integers(-1, 2, (3, 5, channels)) * random.integers(0, 2, (3, 5, 1)), 0, top)
    values = np.where(random.random((3, 5, 1)) < 0.5, near, random.integers(0, top + 1, (3, 5, channels)))
    path = tmp_path_factory.mktemp("png") / "x.png"
    path.write_bytes(written(values, bits, colour))
    gone = (values == colour).all(2, keepdims=True)
    # Pillow takes the high byte of 16 bits for three colours; for one, we round to the nearest value.
    bytes_ = values >> 8 if kind == (16, 3) else np.round(values * 255 / top).astype(int)
    np.testing.assert_array_equal(decode(path, channels=None), np.where(gone, 255, bytes_))
    seen = decode(path, channels=4)
    np.testing.assert_array_equal(seen[:, :, 3:], np.where(gone, 0, 255))
    np.testing.assert_array_equal(seen[:, :, :3], np.broadcast_to(bytes_, (3, 5, 3)))
    assert open_image(path, channels=3).mode == "RGB"


def test_an_image_that_pillow_has_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    values = np.array([[[0, 0, 0], [1, 0, 0]]])
    path.write_bytes(written(values, 16, np.array([0, 0, 0])))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)  # two are more, and three would be an error
    with quiet(), Image.open(path) as image:
        assert np.asarray(png.loaded(image)).tolist() == [[[0, 0, 0, 0], [0, 0, 0, 255]]]
        assert image.mode == "RGB", "it stays as it is"
    path.write_bytes(written(np.tile(values, (2, 1, 1)), 16, np.array([0, 0, 0])))
    assert decode(path, channels=4)[:, :, 3].tolist() == [[0, 255]] * 2


def test_a_turn_that_is_said_after_the_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "x.png"
    values = np.arange(15).reshape(3, 5, 1)
    path.write_bytes(written(values, 8, None, after=chunk(b"tEXt", b"a\0b") + chunk(b"eXIf", exif.tobytes()[6:])))
    assert decode(path, channels=1).shape == (5, 3, 1)
    assert (probe(path).height, probe(path).width) == (5, 3)


def test_a_header_is_read_without_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    whole = written(np.zeros((300, 200, 3), int), 8, None)
    path.write_bytes(whole.replace(b"IDAT", b"IDAT\xff", 1)[: len(whole) // 2])
    assert (probe(path).height, probe(path).width) == (300, 200)
