"""Decoding by libjpeg-turbo against Pillow: the same pixels, the same files refused."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from thorough import repeats

from convworks.data.cache.memory import processors
from convworks.data.column import Files
from convworks.data.decode.decode import open_image
from convworks.data.decode.jpeg import DamagedError, decode_jpeg, scale_of
from convworks.data.decode.load_files import decode_files, each, load_image
from convworks.data.decode.preprocess import Preprocessing, crop_box
from convworks.errors import InputError

RNG = np.random.default_rng(0)


def encoded(shape: tuple[int, ...] = (40, 56, 3), kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(file, kind, **options)
    return file.getvalue()


def by_pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image).reshape(image.height, image.width, -1)


def preprocessing(side: int) -> Preprocessing:
    return Preprocessing(size=(side, side), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("shape", [(40, 56, 3), (33, 17, 3), (2, 3, 3), (31, 9)])
def test_pixels_are_those_of_pillow(shape: tuple[int, ...], progressive: bool, subsampling: int) -> None:
    content = encoded(shape, subsampling=subsampling, progressive=progressive, quality=80)
    result = decode_jpeg(content)
    assert result is not None
    np.testing.assert_array_equal(result.pixels, by_pillow(content))
    assert result.size == shape[:2]


@pytest.mark.parametrize("side", [300, 120, 60, 20])
def test_photographs_are_those_of_pillow(data: Path, side: int) -> None:
    for file in sorted((data / "photos").iterdir()):
        content = file.read_bytes()
        result = decode_jpeg(content, (side, side))
        assert result is not None
        with Image.open(io.BytesIO(content)) as image:
            image.draft(None, (3 * side, 3 * side))
            np.testing.assert_array_equal(result.pixels, np.asarray(image).reshape(result.pixels.shape))
        with Image.open(io.BytesIO(content)) as image:
            assert result.size == (image.height, image.width)


@pytest.mark.parametrize("side", [224, 96, 40])
def test_photographs_agree_with_antialiased_resizing(data: Path, side: int) -> None:
    """At 40 pixels most are decoded at half size; the reference scales Pillow's full decoding in floats."""
    differences = []
    for file in sorted((data / "photos").iterdir()):
        result = load_image(file, preprocessing(side)).astype(np.float64)
        with Image.open(file) as image:
            colour = image.convert("RGB")
        box = crop_box(colour.size, (side, side))
        planes = [Image.fromarray(np.asarray(band, dtype=np.float32)) for band in colour.split()]
        resized = [plane.resize((side, side), Image.Resampling.BILINEAR, box=box) for plane in planes]
        differences.append(abs(result - np.stack([np.asarray(plane) for plane in resized], axis=2)).mean())
    assert np.mean(differences) <= 1, (np.mean(differences), max(differences))
    assert max(differences) <= 3


@given(
    height=st.integers(2, 5000), width=st.integers(2, 5000), wanted=st.tuples(st.integers(1, 600), st.integers(1, 600))
)
def test_scales_leave_three_times_what_is_wanted(height: int, width: int, wanted: tuple[int, int]) -> None:
    scale = scale_of((height, width), wanted)
    assert scale in (1, 2, 4, 8)
    if scale > 1:
        assert height // scale >= 3 * wanted[0]
        assert width // scale >= 3 * wanted[1]
    if scale < 8:
        assert min(height - 6 * scale * wanted[0], width - 6 * scale * wanted[1]) < 0
    assert scale_of((height, width), None) == 1


@pytest.mark.parametrize("size", [(97, 201), (640, 480), (1001, 1003)])
def test_scaled_shapes(size: tuple[int, int]) -> None:
    content = encoded((*size, 3))
    for side in (4, 10, 40, 100):
        result = decode_jpeg(content, (side, side))
        assert result is not None
        scale = scale_of(size, (side, side))
        assert result.pixels.shape == (-(-size[0] // scale), -(-size[1] // scale), 3)
        assert result.size == size


def turned(orientation: int, kind: str, shape: tuple[int, ...] = (40, 56, 3)) -> bytes:
    """Encode an image with an orientation in EXIF or XMP."""
    if kind == "exif":
        exif = Image.Exif()
        exif[0x0112] = orientation
        return encoded(shape, exif=exif)
    return encoded(shape, xmp=f'<x tiff:Orientation="{orientation}"/>'.encode())


@pytest.mark.parametrize("kind", ["exif", "xmp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_images_are_shown_as_pillow_shows_them(orientation: int, kind: str) -> None:
    content = turned(orientation, kind)
    result = decode_jpeg(content)
    assert result is not None
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(result.pixels, expected)
    assert result.size == expected.shape[:2]
    assert result.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_images_are_decoded_smaller_by_the_size_that_is_shown(orientation: int) -> None:
    result = decode_jpeg(turned(orientation, "exif", (240, 900, 3)), (20, 100) if orientation < 5 else (100, 20))
    assert result is not None
    assert result.size == ((240, 900) if orientation < 5 else (900, 240))
    assert result.pixels.shape[:2] == ((120, 450) if orientation < 5 else (450, 120)), "three times 100, and no more"


def test_turned_images_are_found_whatever_comes_before_and_nothing_is_made_of_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(exif=exif, comment=b"a comment")
    for odd in (content[:2] + b"\xff\xfe\x00\x08remark" + content[2:], content[:2] + b"\xff" + content[2:]):
        result = decode_jpeg(odd)  # the second: a marker may be filled up with 0xff
        assert result is not None
        assert result.size == (56, 40)
    comment = encoded(comment=b"Exif\0\0 is said here")
    result = decode_jpeg(comment)
    assert result is not None
    np.testing.assert_array_equal(result.pixels, by_pillow(comment))


def test_what_pillow_has_to_judge() -> None:
    whole = encoded()
    for content in (b"", b"\xff\xd8\xff", whole[:300], encoded(kind="PNG"), encoded((1, 9, 3)), cmyk()):
        assert decode_jpeg(content) is None
    assert decode_jpeg(whole) is not None
    assert decode_jpeg(whole, max_pixels=40 * 56) is not None
    assert decode_jpeg(whole, max_pixels=40 * 56 - 1) is None


HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "filled up with zeros": lambda whole: whole[:-2] + bytes(100) + whole[-2:],
    "a few zeros": lambda whole: whole[:-2] + bytes(3) + whole[-2:],
    "zeros before a comment": lambda whole: whole[:-2] + bytes(100) + b"\xff\xfe\x00\x04ab" + whole[-2:],
    "more behind its end": lambda whole: whole + b"whatever a camera adds" * 40,
    "scan parameters as of some telephones": lambda whole: _changed(whole, whole.find(b"\xff\xda") + 12, 62),
    "unknown revision of JFIF": lambda whole: _changed(whole, 11, 9),
    "bytes between the parts of its header": lambda whole: whole[:20] + b"ab" + whole[20:],
}


def _changed(content: bytes, position: int, value: int) -> bytes:
    return content[:position] + bytes([value]) + content[position + 1 :]


@pytest.mark.parametrize("name", HARMLESS)
def test_oddities_that_leave_all_pixels_there_are_no_damage(tmp_path: Path, name: str) -> None:
    whole = encoded()
    (tmp_path / "odd.jpg").write_bytes(HARMLESS[name](whole))
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "odd.jpg", channels=3)), by_pillow(whole))


def flipped(content: bytes, count: int = 400, seed: int = 0) -> bytes:
    """Change `count` bytes of the pixel data without starting a marker: Pillow decodes the result."""
    rng, changed = np.random.default_rng(seed), bytearray(content)
    for position in rng.integers(content.rfind(b"\xff\xda") + 20, len(content) - 2, count):
        if 0xFF not in changed[position - 1 : position + 1]:
            changed[position] = rng.integers(0xFF)
    return bytes(changed)


def cmyk(shape: tuple[int, ...] = (80, 90, 3)) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).convert("CMYK").save(file, "JPEG")
    return file.getvalue()


DAMAGED = {
    "colour": flipped(encoded((80, 90, 3))),
    "grey": flipped(encoded((160, 90))),
    "progressive": flipped(encoded((80, 90, 3), progressive=True)),
    "turned": flipped(turned(6, "exif", (80, 90, 3))),
    "CMYK": flipped(cmyk()),
    "zeros in the place of its last part": (lambda whole: whole[:-1002] + bytes(1000) + whole[-2:])(
        encoded((80, 90, 3))
    ),
    "a block lost": (lambda whole: whole[:2000] + whole[4600:])(encoded((80, 90, 3))),
    "short by a little": encoded((80, 90, 3))[:-20],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_pillow_decodes_without_a_word_is_damaged(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.jpg").write_bytes(DAMAGED[name])
    if "short" not in name:
        by_pillow(DAMAGED[name])
    for at_least in (None, (2, 2)):
        with pytest.raises(InputError, match=r"x\.jpg: is damaged \(.*\); repair or remove it"):
            open_image(tmp_path / "x.jpg", channels=3, at_least=at_least)


@pytest.mark.parametrize("name", ["photos", "hymenoptera.tar"])
def test_sound_photographs_are_not_damaged(data: Path, name: str) -> None:
    """About 600 files of many cameras and programs; of those with 400 bytes changed, hardly one passes as intact."""
    if name.endswith(".tar"):
        with tarfile.open(data / name) as tar:
            members = [member for member in tar if member.name.lower().endswith(".jpg")]
            contents = [file.read() for member in members if (file := tar.extractfile(member)) is not None]
    else:
        contents = [file.read_bytes() for file in sorted((data / name).iterdir())]
    assert len(contents) >= 200
    for content in contents:
        decode_jpeg(content, (2, 2))
    passed = 0
    for content in contents[:100]:
        with contextlib.suppress(DamagedError):
            decode_jpeg(flipped(content), (2, 2))
            passed += 1
    assert passed <= 2


@given(st.binary(min_size=1, max_size=8), st.integers(0, 2000))
def test_any_damage_is_named_decoded_as_by_pillow_or_left_to_it(content: bytes, position: int) -> None:
    whole = bytearray(WHOLE)
    position %= len(whole)
    whole[position : position + len(content)] = content
    with contextlib.suppress(DamagedError):
        result = decode_jpeg(bytes(whole))
        if result is not None:
            np.testing.assert_array_equal(result.pixels, by_pillow(bytes(whole)))


WHOLE = encoded((24, 24, 3), quality=50)


def resident() -> int:
    fields = Path("/proc/self/status").read_text().split()
    return int(fields[fields.index("VmRSS:") + 1]) * 1024


def malformed(folder: Path, count: int) -> list[Path]:
    """Write good and malformed JPEGs of photographic size, a third of them good."""
    whole = encoded((300, 400, 3))
    files = []
    for index in range(count):
        content = bytearray(whole)
        if index % 3 == 1:
            content = content[: RNG.integers(2, len(whole))]
        elif index % 3 == 2:
            for position in RNG.integers(2, len(whole), 20):
                content[position] = RNG.integers(256)
        files.append(folder / f"{index:03d}.jpg")
        files[-1].write_bytes(content)
    return files


@pytest.mark.parametrize("rounds", [1, pytest.param(56, marks=pytest.mark.slow)])
def test_memory_does_not_grow(tmp_path: Path, rounds: int) -> None:
    """Decodes of 30 files, 600 or 1,800 a round (100,000 in the slow test), by all threads.

    A call keeps the words about each damaged file until its end, some 300 bytes: those of a round, not of all.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    files = malformed(tmp_path, 30)

    def work(count: int) -> int:
        return len(each(lambda index: work_on(files[index % 30]), count))

    def work_on(file: Path) -> None:
        load_image(file, preprocessing(32))

    count = repeats(600, 1800)
    work(64 * 8 * processors())
    before = resident()
    damaged = sum(work(count) for _ in range(rounds))
    assert resident() - before < 10 * 2**20
    assert damaged >= count // 3 * rounds


def test_damaged_files_do_not_keep_their_content(tmp_path: Path) -> None:
    """An exception keeps its traceback alive: hundreds of them would keep as many images."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    content = encoded((500, 500, 3), quality=95)[:-5000]
    files = []
    for index in range(600):
        files.append(tmp_path / f"{index}.jpg")
        files[-1].write_bytes(content)
    with pytest.raises(InputError):
        decode_files(Files(tuple(files[:100])), preprocessing(32), lambda *_: None)
    before = resident()
    with pytest.raises(InputError, match="600 of 600"):
        decode_files(Files(tuple(files)), preprocessing(32), lambda *_: None)
    assert resident() - before < 20 * 2**20 < 500 * len(content)
