from __future__ import annotations

import contextlib
import io
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convworks.data.config import Decoding
from convworks.data.decode.decode import convert, decode, open_image, probe
from convworks.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "RGBA"])
def test_opaque_modes_agree_with_pillow(tmp_path: Path, mode: str, channels: int | None) -> None:
    image = Image.fromarray(COLOUR).convert(mode)
    path = saved(tmp_path / "image.png", image)
    native = 1 if mode in ("1", "L", "LA") else 3
    expected = image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels or native])
    result = decode(path, channels=channels)
    assert result.shape == (5, 7, channels or native)
    np.testing.assert_array_equal(result, np.asarray(expected).reshape(result.shape))
    assert probe(path).channels == native


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 4), dtype=np.uint8)
    pixels[0, 0] = (10, 20, 30, 255)
    pixels[0, 1] = (100, 0, 0, 128)
    path = saved(tmp_path / "image.png", Image.fromarray(pixels))
    result = decode(path, channels=3)
    assert result[0, 0].tolist() == [10, 20, 30]
    assert abs(result[0, 1].astype(int) - (177, 127, 127)).max() <= 1
    assert result[1, 1].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(decode(path, channels=4), pixels)
    assert decode(path, channels=1)[3, 3].tolist() == [255]


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_transparent_colour_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (4, 4), 0)
    path = saved(tmp_path / "image.png", image, transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert decode(path, channels=3).min() == 255
    assert decode(path, channels=None).min() == 255


def test_palette_with_transparency_in_bytes_warns_nothing(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR).convert("P")
    path = saved(tmp_path / "image.png", image, transparency=bytes(range(100)))
    assert decode(path, channels=None).shape == (5, 7, 3)


@pytest.mark.parametrize("name", ["image.png", "image.tif"])
def test_16_bits_are_scaled(tmp_path: Path, name: str) -> None:
    deep = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
    deep[0, :3] = (0, 65535, 32768)
    result = decode(saved(tmp_path / name, Image.fromarray(deep)), channels=None)
    np.testing.assert_array_equal(result[..., 0], np.round(deep / 257).astype(np.uint8))
    assert result[0, :3, 0].tolist() == [0, 255, 128]
    assert decode(tmp_path / name, channels=3).shape == (5, 7, 3)
    assert probe(tmp_path / name).channels == 1


def test_deep_pgm_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "image.pgm"
    path.write_bytes(b"P5 2 2 65535\n" + np.array([0, 257, 65535, 32768], ">u2").tobytes())
    assert decode(path, channels=1)[..., 0].tolist() == [[0, 1], [255, 128]]


@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0), (-1000.0, 3000.0)])
def test_floats_are_scaled_by_one_range(tmp_path: Path, ends: tuple[float, float]) -> None:
    """The range does not depend on the greatest value of each image."""
    shares = np.array([[0, 0.5], [1, 0.25]])
    for part in (1.0, 0.25):
        values = (ends[0] + part * shares * (ends[1] - ends[0])).astype(np.float32)
        path = saved(tmp_path / "x.tif", Image.fromarray(values))
        result = decode(path, channels=1, decoding=Decoding(float_range=ends))[..., 0].astype(float)
        np.testing.assert_allclose(result, part * shares * 255, atol=0.502)


@pytest.mark.parametrize("value", [-1.0, 1.5, float("nan"), float("inf")])
def test_floats_of_unknown_range_are_refused(tmp_path: Path, value: float) -> None:
    path = saved(tmp_path / "x.tif", Image.fromarray(np.full((2, 2), value, dtype=np.float32)))
    with pytest.raises(InputError, match=r"x.tif: cannot be decoded \(its pixels range from .*0\.\.1\).*float_range"):
        decode(path, channels=1)


def test_32_bit_integers_beyond_16_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tif", Image.fromarray(np.full((2, 2), 70000, dtype=np.int32)))
    with pytest.raises(InputError, match=r"outside 0\.\.65535"):
        decode(path, channels=1)


def test_cmyk(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    result = decode(saved(tmp_path / "x.jpg", image), channels=None)
    assert result.shape == (8, 8, 3)
    assert abs(result[4, 4].astype(int) - (255, 0, 0)).max() < 8


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.webp"])
def test_exif_orientation(tmp_path: Path, orientation: int, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / name, Image.fromarray(COLOUR), exif=exif, lossless=True)
    expected = TURNS[orientation](COLOUR)
    np.testing.assert_array_equal(decode(path, channels=None), expected)
    result = probe(path)
    assert (result.height, result.width) == expected.shape[:2]


def test_smaller_jpeg_is_turned_and_large_enough(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "x.jpg", Image.new("RGB", (800, 400), "red"), exif=exif)
    image = open_image(path, channels=3, at_least=(50, 40))
    assert image.width < image.height < 800
    assert image.height >= 2 * 50
    assert image.width >= 2 * 40


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", ["x.gif", "x.png", "x.webp", "x.tif", "x.avif"])
def test_first_frame(tmp_path: Path, name: str, count: int) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")[:count]]
    path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:])
    assert abs(decode(path, channels=3)[0, 0].astype(int) - (255, 0, 0)).max() < 3
    assert probe(path).several_frames is (count > 1)


def test_what_a_photograph_carries_besides_itself_is_no_second_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "x.jpg", frames[0], format="MPO", save_all=True, append_images=frames[1:])
    assert (probe(path).format, probe(path).several_frames) == ("MPO", False)


def test_frames_that_are_cut_off_damage_no_header(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "x.gif", frames[0], save_all=True, append_images=frames[1:])
    content = path.read_bytes()
    for length in range(len(content) - 1, len(content) // 2, -1):
        path.write_bytes(content[:length])
        assert (probe(path).width, probe(path).height) == (16, 16)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 6)])
def test_numpy_files(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "x.npy", array)
    result = decode(tmp_path / "x.npy", channels=None)
    np.testing.assert_array_equal(result, array.reshape(5, 7, -1))
    assert probe(tmp_path / "x.npy").channels == result.shape[2]
    if result.shape[2] == 3:
        expected = np.asarray(Image.fromarray(array).convert("L"))[..., None]
        np.testing.assert_array_equal(decode(tmp_path / "x.npy", channels=1), expected)


def broken(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind.endswith("npy"):
        arrays: dict[str, np.ndarray] = {"float npy": np.zeros((4, 4)), "flat npy": np.zeros(4, np.uint8)}
        np.save(buffer, arrays.get(kind, np.array([None], dtype=object)))
        return buffer.getvalue()[: 60 if kind == "short npy" else None]
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, format=kind.split()[0])
    return buffer.getvalue()


BROKEN: dict[str, tuple[bytes, str, str]] = {
    "truncated JPEG": (broken("JPEG")[:2000], "x.jpg", "is damaged (truncated: Premature end of JPEG file)"),
    "truncated PNG": (broken("PNG")[:2000], "x.png", "cannot be decoded"),
    "truncated GIF": (broken("GIF")[:500], "x.gif", ""),
    "truncated WEBP": (broken("WEBP")[:500], "x.webp", ""),
    "truncated TIFF": (broken("TIFF")[:500], "x.tif", ""),
    "flipped PNG": (broken("PNG").replace(b"IDAT", b"IDAU"), "x.png", ""),
    "text": (b"This is text.\n", "x.png", "is not an image in a supported format"),
    "empty": (b"", "x.png", "is empty (0 bytes)"),
    "object npy": (broken("object npy"), "x.npy", "is not a .npy array (Object arrays cannot be loaded"),
    "float npy": (broken("float npy"), "x.npy", "holds float64 (4, 4), not uint8"),
    "flat npy": (broken("flat npy"), "x.npy", "holds uint8 (4,)"),
    "short npy": (broken("short npy"), "x.npy", "is not a .npy array"),
    "text npy": (b"text", "x.npy", "is not a .npy array"),
    "zip npy": (b"PK\x03\x04", "x.npy", "is not a .npy array"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    content, file, reason = BROKEN[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        decode(tmp_path / file, channels=3)
    assert caught.value.where == str(tmp_path / file)
    assert reason in caught.value.reason
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"BM"])
)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, magic: bytes) -> None:
    path = tmp_path_factory.mktemp("decode") / "x.png"
    path.write_bytes(magic + content)
    for read in (lambda: decode(path, channels=None), lambda: probe(path)):
        with contextlib.suppress(InputError):
            read()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_too_small_images_are_named(tmp_path: Path, size: tuple[int, int]) -> None:
    path = saved(tmp_path / "x.png", Image.new("L", size))
    for read in (lambda: decode(path, channels=None), lambda: probe(path)):
        with pytest.raises(InputError, match=rf"x.png: has {size[0]}x{size[1]} pixels"):
            read()
    np.save(tmp_path / "x.npy", np.zeros(size, np.uint8))
    with pytest.raises(InputError, match=rf"x.npy: has {size[1]}x{size[0]} pixels"):
        decode(tmp_path / "x.npy", channels=1)


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
@pytest.mark.parametrize("pillow", [None, 100, 1000, 5000])
@pytest.mark.parametrize("limit", [1199, 1200])
def test_the_limit_of_pixels_is_our_own(
    name: str, pillow: int | None, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow's limit neither applies (1,200 pixels: its error above 600, its warning above 1,000), nor is needed."""
    path = saved(tmp_path / name, Image.new("L", (40, 30)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow)
    decoding = Decoding(max_pixels=limit)
    for read in (lambda: decode(path, channels=1, decoding=decoding), lambda: probe(path, max_pixels=limit)):
        if limit == 1200:
            read()
            continue
        with pytest.raises(InputError, match=r"x\..*: has 1,200 pixels, more than 1,199; .*max_pixels"):
            read()
    assert pillow == Image.MAX_IMAGE_PIXELS


def test_real_decompression_bomb(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    header = b"\x00\x00\x00\rIHDR" + (50_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    content = b"\x89PNG\r\n\x1a\n" + header + zlib.crc32(header[4:]).to_bytes(4, "big")
    path.write_bytes(content + b"\x00\x00\x00\x00IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big"))
    with pytest.raises(InputError, match="has 2,500,000,000 pixels"):
        decode(path, channels=3)


@pytest.mark.parametrize("where", ["missing.png", "file/x.png", "folder.png", "missing.npy"])
def test_unreadable_files_are_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    for read in (lambda: decode(tmp_path / where, channels=1), lambda: probe(tmp_path / where)):
        with pytest.raises(InputError) as caught:
            read()
        assert caught.value.where == str(tmp_path / where)
        assert ("is a folder" if where == "folder.png" else "cannot be read") in caught.value.reason


def test_channels_that_images_lack(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", Image.fromarray(COLOUR))
    with pytest.raises(InputError, match="gives 1, 3 or 4 channels, not 5"):
        decode(path, channels=5)
    np.save(tmp_path / "x.npy", np.zeros((4, 4, 2), np.uint8))
    with pytest.raises(InputError, match=r"x\.npy: has 2 channels, not 3"):
        decode(tmp_path / "x.npy", channels=3)


def test_warning_filters_are_put_back(tmp_path: Path) -> None:
    before = list(warnings.filters)
    decode(saved(tmp_path / "x.png", Image.fromarray(COLOUR)), channels=1)
    with pytest.raises(InputError):
        decode(tmp_path / "missing.png", channels=1)
    assert list(warnings.filters) == before


def test_convert_leaves_what_fits() -> None:
    image = Image.fromarray(COLOUR)
    assert convert(image, 3) is image
