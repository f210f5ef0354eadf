"""What a restoration reads: masks and transparency, deep pixels, files that are too large, and reduced pictures."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import convworks
from convworks.restoration import material as module
from convworks.restoration.material import Material, read_material
from convworks.restoration.request import Request

SIDE = 24
DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def read(image: Any, problem: str = "inpaint", **options: Any) -> Material:
    return read_material("x", image, Request(problem=problem), **options)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_reduced_picture_has_the_means_of_known_pixels(factor: int) -> None:
    mask = 255 * DRAW.integers(0, 2, (SIDE, SIDE), dtype=np.uint8)
    mask[:4, :4] = 0
    size = (SIDE // factor, SIDE // factor)
    reduced = read(PIXELS, mask=mask).reduced(size, 1)
    assert reduced.known is not None
    for row, column in np.ndindex(size):
        block = np.s_[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        known = PIXELS[block][mask[block] > 0]
        assert reduced.known[row, column] == (len(known) > 0)
        if len(known):
            assert reduced.pixels[row, column] == pytest.approx(known.mean(0), abs=0.51)


MASK = DRAW.integers(0, 2, (SIDE, SIDE)) > 0
TENSOR = torch.from_numpy(MASK)


@pytest.mark.parametrize(
    "mask",
    [
        MASK,
        MASK[:, :, None],
        255 * MASK.astype(np.uint8),
        TENSOR,
        TENSOR[None],
        255 * TENSOR.to(torch.uint8),
        255 * TENSOR.to(torch.uint8)[None],
        TENSOR.float(),
    ],
    ids=["bool", "bool h w 1", "uint8", "tensor", "tensor 1 h w", "uint8 tensor", "uint8 tensor 1 h w", "floats"],
)
def test_a_mask_may_be_booleans_or_white_and_black_as_array_or_tensor(mask: Any) -> None:
    known = read(PIXELS, mask=mask).known
    assert known is not None
    assert np.array_equal(known, MASK)


def test_a_mask_of_ones_and_zeros_is_refused_with_its_largest_value() -> None:
    """It would be black entirely."""
    with pytest.raises(convworks.InputError, match=r"largest value is 1\), .* paint what is known white \(255\)"):
        read(PIXELS, mask=MASK.astype(np.uint8))


def test_a_reduced_picture_keeps_its_holes() -> None:
    mask = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    mask[6:18, 6:18] = 0
    known = read(PIXELS, mask=mask).reduced((SIDE // 3, SIDE // 3), 1).known
    assert known is not None
    assert np.array_equal(~known, mask[1::3, 1::3] == 0)


def test_pixels_that_are_transparent_in_part_are_missing() -> None:
    """They are read on white: a black one as grey."""
    alpha = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    alpha[:8], alpha[8] = 0, 254
    known = read(np.dstack([PIXELS, alpha])).known
    assert known is not None
    assert np.array_equal(known, alpha == 255)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_colour_that_stands_for_transparency_is_missing(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(PIXELS).convert(mode)
    colour = picture.getpixel((3, 5))
    picture.save(tmp_path / "x.png", transparency=colour)
    known = read(tmp_path / "x.png").known
    assert known is not None
    pixels = np.asarray(picture).reshape(SIDE, SIDE, -1)
    assert np.array_equal(~known, (pixels == pixels[5, 3]).all(2))


def test_pixels_of_more_than_8_bits_are_said_to_be_restored_with_8(tmp_path: Path) -> None:
    deep = np.linspace(0, 4095, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
    picture = Image.fromarray(deep)
    picture.save(tmp_path / "x.png")
    note = "has more than 8 bits a channel: restored with 8, in which it has 17 grey levels"
    for image in (tmp_path / "x.png", (tmp_path / "x.png").read_bytes(), picture):
        assert note in read(image, "denoise").notes
    assert not read(PIXELS, "denoise").notes


def colours_of_16_bits() -> bytes:
    """Return a PNG file: Pillow writes none."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">2I5B", SIDE, SIDE, 16, 2, 0, 0, 0))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in 257 * PIXELS.astype(np.uint16))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colours_of_more_than_8_bits_are_said_too(tmp_path: Path) -> None:
    content = colours_of_16_bits()
    (tmp_path / "x.png").write_bytes(content)
    for image in (tmp_path / "x.png", content, Image.open(io.BytesIO(content))):
        material = read(image, "denoise")
        assert np.array_equal(material.pixels, PIXELS)
        assert [note.partition(",")[0] for note in material.notes] == [
            "has more than 8 bits a channel: restored with 8"
        ]


def test_several_frames_are_said_in_any_form(tmp_path: Path) -> None:
    frames = [Image.new("L", (SIDE, SIDE), shade) for shade in (9, 99)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    path = tmp_path / "x.gif"
    for image in (path, path.read_bytes(), Image.open(io.BytesIO(path.read_bytes()))):
        assert read(image, "denoise").notes == ("has several frames or pages: only the first is restored",)


def test_files_of_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    small = np.zeros((SIDE // 2, SIDE // 2, 3), dtype=np.uint8)
    monkeypatch.setattr(module, "MOST", 500)
    with pytest.raises(convworks.InputError, match=r"has 576 pixels, more than 500; scale it down, or give a part"):
        read(tmp_path / "x.png", "denoise")
    with pytest.raises(convworks.InputError, match="has 576 pixels, more than 500"):
        read(small, mask=tmp_path / "x.png")


def test_a_picture_without_an_opaque_pixel_is_refused() -> None:
    with pytest.raises(convworks.InputError, match="x: has no opaque pixel"):
        read(np.dstack([PIXELS, np.full((SIDE, SIDE), 254, dtype=np.uint8)]))
