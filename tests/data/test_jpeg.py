"""The binding of libjpeg-turbo against Pillow: the same pixels, the same files refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convworks.data.decode import open_image
from convworks.data.jpeg import decode_jpeg, scale_of
from convworks.data.load_files import decode_files, each, load_image
from convworks.data.memory import processors
from convworks.data.preprocess import Preprocessing, crop_box
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
    found = decode_jpeg(content)
    assert found is not None
    np.testing.assert_array_equal(found, by_pillow(content))


@pytest.mark.parametrize("side", [300, 120, 60, 20])
def test_photographs_are_those_of_pillow(data: Path, side: int) -> None:
    for file in sorted((data / "photos").iterdir()):
        content = file.read_bytes()
        found = decode_jpeg(content, (side, side))
        assert found is not None
        with Image.open(io.BytesIO(content)) as image:
            image.draft(None, (3 * side, 3 * side))
            np.testing.assert_array_equal(found, np.asarray(image).reshape(found.shape))


@pytest.mark.parametrize("side", [224, 96, 40])
def test_photographs_agree_with_antialiased_resizing(data: Path, side: int) -> None:
    """At 40 pixels most come at half their size; the reference scales what Pillow decodes in full, in floats."""
    differences = []
    for file in sorted((data / "photos").iterdir()):
        found = load_image(file, preprocessing(side)).astype(np.float64)
        with Image.open(file) as image:
            colour = image.convert("RGB")
        box = crop_box(colour.size, (side, side))
        planes = [Image.fromarray(np.asarray(band, dtype=np.float32)) for band in colour.split()]
        resized = [plane.resize((side, side), Image.Resampling.BILINEAR, box=box) for plane in planes]
        differences.append(abs(found - np.stack([np.asarray(plane) for plane in resized], axis=2)).mean())
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
        found = decode_jpeg(content, (side, side))
        assert found is not None
        scale = scale_of(size, (side, side))
        assert found.shape == (-(-size[0] // scale), -(-size[1] // scale), 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_images_are_left_to_pillow(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(exif=exif)
    assert (decode_jpeg(content) is None) == (orientation != 1)
    (tmp_path / "x.jpg").write_bytes(content)
    shown = open_image(tmp_path / "x.jpg", channels=3)
    assert shown.size == ((56, 40) if orientation < 5 else (40, 56))


def test_turned_images_are_found_whatever_comes_before_and_nothing_is_made_of_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(exif=exif, comment=b"a comment")
    assert decode_jpeg(content[:2] + b"\xff\xfe\x00\x08remark" + content[2:]) is None
    assert decode_jpeg(content[:2] + b"\xff" + content[2:]) is None  # a marker may be filled up with 0xff
    comment = encoded(comment=b"Exif\0\0 is said here")
    found = decode_jpeg(comment)
    assert found is not None
    np.testing.assert_array_equal(found, by_pillow(comment))


def test_what_pillow_has_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoded()
    cmyk = io.BytesIO()
    Image.new("CMYK", (8, 8)).save(cmyk, "JPEG")
    for content in (b"", b"\xff\xd8\xff", whole[:300], encoded(kind="PNG"), encoded((1, 9, 3)), cmyk.getvalue()):
        assert decode_jpeg(content) is None
    assert decode_jpeg(whole) is not None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 56 - 1)
    assert decode_jpeg(whole) is None


def test_slightly_damaged_files_are_judged_as_by_pillow(tmp_path: Path) -> None:
    """Bytes before the last marker are no harm; an end in the middle is."""
    whole = encoded()
    odd = whole[:-2] + b"\x00\x00\x00" + whole[-2:]
    (tmp_path / "odd.jpg").write_bytes(odd)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "odd.jpg", channels=3)), by_pillow(whole))
    (tmp_path / "short.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated"):
        open_image(tmp_path / "short.jpg", channels=3)


@given(st.binary(min_size=1, max_size=8), st.integers(0, 2000))
def test_any_damage_is_decoded_as_by_pillow_or_left_to_it(content: bytes, place: int) -> None:
    whole = bytearray(WHOLE)
    place %= len(whole)
    whole[place : place + len(content)] = content
    found = decode_jpeg(bytes(whole))
    if found is not None:
        np.testing.assert_array_equal(found, by_pillow(bytes(whole)))


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
            for place in RNG.integers(2, len(whole), 20):
                content[place] = RNG.integers(256)
        files.append(folder / f"{index:03d}.jpg")
        files[-1].write_bytes(content)
    return files


@pytest.mark.parametrize("rounds", [1, pytest.param(56, marks=pytest.mark.slow)])
def test_memory_does_not_grow(tmp_path: Path, rounds: int) -> None:
    """Decodes of 30 files, 1,800 a round (100,000 in the slow test), by all threads.

    A call keeps the words about each damaged file until its end, some 300 bytes: those of a round, not of all.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    files = malformed(tmp_path, 30)

    def work(count: int) -> int:
        return len(each(lambda index: work_on(files[index % 30]), count))

    def work_on(file: Path) -> None:
        load_image(file, preprocessing(32))

    work(64 * 8 * processors())
    before = resident()
    damaged = sum(work(1800) for _ in range(rounds))
    assert resident() - before < 10 * 2**20
    assert damaged >= 600 * rounds


def test_damaged_files_do_not_keep_their_content(tmp_path: Path) -> None:
    """An exception holds what it was raised on: hundreds of them would hold as many images."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    content = encoded((500, 500, 3), quality=95)[:-5000]
    files = []
    for index in range(600):
        files.append(tmp_path / f"{index}.jpg")
        files[-1].write_bytes(content)
    with pytest.raises(InputError):
        decode_files(files[:100], preprocessing(32), lambda *_: None)
    before = resident()
    with pytest.raises(InputError, match="600 of 600"):
        decode_files(files, preprocessing(32), lambda *_: None)
    assert resident() - before < 20 * 2**20 < 500 * len(content)
