"""Images read row by row against the same images read whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convworks.data.decode.decode import decode
from convworks.data.decode.rows import open_rows
from convworks.data.decode.write_rows import writing_mask
from convworks.errors import InputError


def photograph(mode: str, size: tuple[int, int] = (67, 91)) -> Image.Image:
    """Return an image that is smooth in places, so that a PNG uses all of its filters."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[1], : size[0]]
    smooth = np.stack([rows * 2, columns * 3, rows + columns], 2) + draw.integers(
        0, 1 + 40 * (rows[..., None] > 50), (*rows.shape, 3)
    )
    image = Image.fromarray((smooth % 256).astype(np.uint8))
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray((columns * 3 % 256).astype(np.uint8)))
    return image.convert(mode) if mode != "P" else image.quantize(40)


WRITTEN: list[tuple[str, str, dict[str, Any]]] = [
    *(("png", mode, {}) for mode in ("L", "RGB", "P", "LA", "RGBA")),
    ("png", "RGB", {"transparency": (0, 0, 0)}),
    ("png", "P", {"transparency": 3}),
    *(("tif", mode, {}) for mode in ("L", "RGB")),
    *(("ppm", mode, {}) for mode in ("L", "RGB")),
]
#: Decoded whole.
HELD = [
    ("png", "1", {}),
    ("png", "I;16", {}),
    ("jpg", "RGB", {}),
    ("tif", "RGB", {"compression": "tiff_lzw"}),
    ("bmp", "RGB", {}),
]


@pytest.mark.parametrize(("suffix", "mode", "options"), [*WRITTEN, *HELD], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_those_of_the_whole_image(
    suffix: str, mode: str, options: dict[str, Any], channels: int, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    image = photograph(mode if mode != "I;16" else "L")
    (image if mode != "I;16" else image.convert("I;16")).save(path, **options)
    expected = decode(path, channels=channels)
    with open_rows(path, channels) as rows:
        assert rows.shape == expected.shape
        for first, end in ((0, 10), (0, 33), (20, 40), (25, 26), (60, 91), (90, 91)):
            np.testing.assert_array_equal(rows[first:end], expected[first:end], err_msg=f"{first}, {end}")


def test_arrays_and_skipped_rows(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (700, 40, 3), np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for name in ("a.npy", "a.png"):
        with open_rows(tmp_path / name, 3) as rows:
            np.testing.assert_array_equal(rows[650:], pixels[650:])
    np.save(tmp_path / "odd.npy", np.asfortranarray(pixels))
    with open_rows(tmp_path / "odd.npy", 3) as rows:
        np.testing.assert_array_equal(rows[5:9], pixels[5:9])
    np.save(tmp_path / "float.npy", pixels / 255)
    with pytest.raises(InputError, match=r"float.npy: holds float64"), open_rows(tmp_path / "float.npy", 3):
        pass


def test_turned_and_interlaced_files_are_read_as_they_are_shown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.png", "a.tif", "a.jpg"):
        photograph("RGB").save(tmp_path / name, exif=exif)
        expected = decode(tmp_path / name, channels=3)
        assert expected.shape[:2] == (67, 91)
        with open_rows(tmp_path / name, 3) as rows:
            np.testing.assert_array_equal(rows[10:30], expected[10:30])


@pytest.mark.parametrize("suffix", ["png", "tif", "npy", "ppm"])
def test_a_file_that_is_cut_off_says_so(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    image = photograph("RGB")
    np.save(path, np.asarray(image)) if suffix == "npy" else image.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"a\.{suffix}: .*; repair or remove it"), open_rows(path, 3) as rows:
        rows[0:91]


def test_what_is_no_image_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    with pytest.raises(InputError, match=r"a\.png: "), open_rows(tmp_path / "a.png", 1):
        pass


def test_a_mask_is_written_row_by_row(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(0, 3, (50, 31), np.uint8)
    for colours in ((), [(0, 0, 0), (255, 0, 0), (0, 255, 0)]):
        with writing_mask(tmp_path / "m.png", 50, 31, colours) as writer:
            for first in range(0, 50, 16):
                writer.write(mask[first : first + 16])
        with Image.open(tmp_path / "m.png") as image:
            assert image.mode == ("P" if colours else "L")
            np.testing.assert_array_equal(np.asarray(image), mask)
            if colours:
                assert image.convert("RGB").getpixel((0, 0)) == colours[mask[0, 0]]
    with pytest.raises(AssertionError, match="16 of 50 rows"), writing_mask(tmp_path / "short.png", 50, 31) as writer:
        writer.write(mask[:16])
    assert not (tmp_path / "short.png").exists()
