from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convworks.data.column import files_of
from convworks.data.decode import heic
from convworks.data.decode.decode import decode, probe
from convworks.data.decode.heic import is_heic_content
from convworks.data.sources import image_names
from convworks.data.sources.open import open_source
from convworks.errors import InputError

HEADS = {
    b"\x00\x00\x00\x18ftypheic": True,
    b"\x00\x00\x00\x18ftypheix": True,
    b"\x00\x00\x00\x20ftypavif": False,
    b"\x00\x00\x00\x20ftypmif1": False,
    b"\xff\xd8\xff\xe0": False,
    b"": False,
}


@pytest.mark.parametrize("head", HEADS)
def test_content(head: bytes) -> None:
    assert is_heic_content(head) == HEADS[head]


@pytest.mark.parametrize("name", ["x.heic", "x.jpg"])
def test_without_pillow_heif_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(heic, "register_heif", heic.register_heif.__wrapped__)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / name).write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    for read in (lambda path: decode(path, channels=None), probe):
        with pytest.raises(
            InputError, match=r"is HEIC, which needs pillow-heif \(pip install 'convworks\[heic\]'\); install it"
        ):
            read(tmp_path / name)


def test_with_pillow_heif_they_are_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24], pixels[24:] = (200, 30, 30), (20, 40, 220)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    for subfolder in ("a", "b"):
        (tmp_path / "set" / subfolder).mkdir(parents=True)
        pillow_heif.from_pillow(picture).save(tmp_path / "set" / subfolder / "1.HEIC", quality=95)
    turned = tmp_path / "set" / "b" / "turned.heif"
    pillow_heif.from_pillow(picture).save(turned, quality=95, exif=exif.tobytes())
    shutil.copy(turned, tmp_path / "set" / "b" / "called.jpg")
    source = open_source(tmp_path / "set")
    assert source.splits["all"].names == ("a/1.HEIC", "b/1.HEIC", "b/called.jpg", "b/turned.heif")
    assert source.left_out == {}
    plain, _, called, other = (decode(file, channels=None) for file in files_of(source.splits["all"].inputs))
    assert np.abs(plain.astype(int) - pixels).mean() < 6
    assert np.array_equal(called, other)
    assert np.abs(other.astype(int) - np.rot90(pixels, -1)).mean() < 6
    seen = probe(turned)
    assert (seen.format, seen.width, seen.height) == ("HEIF", 48, 64)
    monkeypatch.setattr(image_names, "heic_available", lambda: False)
    with pytest.raises(InputError, match=r"a: is a class folder without images \(1 other file, 1 of them HEIC\); pip"):
        open_source(tmp_path / "set")
