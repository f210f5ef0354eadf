"""Damaged JPEGs, and files that are no image of a listed format, whatever they are called."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile
from workplace import Place, Rows, check_row, encoded, evaluate, predict, train

from convworks.cli.main import run
from convworks.data.formats import FORMATS

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
SCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 30 30\n%%EndComments\n(x) print showpage\n"


def flipped(content: bytes) -> bytes:
    """Change 40 bytes among the pixels, to what Pillow decodes without a word."""
    found = bytearray(content)
    for place in np.random.default_rng(0).integers(len(content) // 2, len(content) - 2, 40):
        if 0xFF not in found[place - 1 : place + 1]:
            found[place] ^= 0x15
    with Image.open(io.BytesIO(found)) as image:
        image.load()
    return bytes(found)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(PIXELS), "JPEG", exif=exif)


JPEG = flipped(encoded(Image.fromarray(PIXELS), "JPEG"))
DAMAGED = "x.jpg | is damaged (Corrupt JPEG data: | repair or remove it"
OTHER = "x.jpg | is not an image in a supported format | convert, repair or remove it"


def kernel(place: Place, *paths: str) -> list[str]:
    return ["filter", *paths, "--kernel", "sharpen", "--out", "out"]


ROWS: Rows = {
    "train": (lambda p: train(p.folder({"a/x.jpg": JPEG})), DAMAGED),
    "train, decoded always": (
        lambda p: train(p.folder({"a/x.jpg": JPEG}), "--set", "data.decode=always"),
        DAMAGED,
    ),
    "train, turned": (lambda p: train(p.folder({"a/x.jpg": flipped(turned())})), DAMAGED),
    "train, grey": (
        lambda p: train(p.folder({"a/x.jpg": flipped(encoded(Image.fromarray(PIXELS[:, :, 0]), "JPEG"))})),
        DAMAGED,
    ),
    "evaluate": (lambda p: evaluate(p.bundle(), p.folder({"a/x.jpg": JPEG})), DAMAGED),
    "evaluate by ten crops": (
        lambda p: [*evaluate(p.bundle(), p.folder({"a/x.jpg": JPEG})), "--protocol", "ten-crop"],
        DAMAGED,
    ),
    "predict": (
        lambda p: predict(p.bundle(), p.write("x.jpg", JPEG)),
        "x.jpg | is damaged (Corrupt JPEG data: | give images that can be read",
    ),
    "filter": (lambda p: kernel(p, p.write("x.jpg", JPEG)), DAMAGED),
    "features": (lambda p: ["features", p.bundle(), "--data", p.folder({"a/x.jpg": JPEG}), "--out", "f.npz"], DAMAGED),
    "train on PostScript": (lambda p: train(p.folder({"a/x.jpg": SCRIPT})), OTHER),
    "train on an icon": (lambda p: train(p.folder({"a/x.jpg": encoded(Image.fromarray(PIXELS), "ICO")})), OTHER),
    "predict PostScript": (
        lambda p: predict(p.bundle(), p.write("x.jpg", SCRIPT)),
        "x.jpg | is not an image in a supported format | give images that can be read",
    ),
    "filter PostScript": (lambda p: kernel(p, p.write("x.jpg", SCRIPT)), OTHER),
    "PostScript without an ending": (
        lambda p: evaluate(p.bundle(), p.write("t.csv", f"path,label\n{p.write('x', SCRIPT)},a\n")),
        "x | is not an image in a supported format",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)


def answer(capsys: pytest.CaptureFixture[str], words: list[str], status: int = 0) -> dict[str, Any]:
    assert run([words[0], "--json", *words[1:]]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_data_counts_damaged_jpegs_and_skip_damaged_leaves_them_out(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.folder({"a/x.jpg": JPEG, "b/x.jpg": flipped(turned())})
    (place.root / "data/a/y.jpg").write_bytes(encoded(Image.fromarray(PIXELS), "JPEG"))
    looked = answer(capsys, ["data", "data"], status=1)
    assert [Path(row["path"]).parent.name for row in looked["damaged"]] == ["a", "b"]
    assert all(row["reason"].startswith("is damaged (Corrupt JPEG data: ") for row in looked["damaged"])
    assert run([*train("data"), "--set", "data.skip_damaged=0.2"]) == 0
    assert "skipped 2 damaged of data: a/x.jpg, b/x.jpg\n" in capsys.readouterr().err
    record = json.loads((place.root / "out/run.json").read_text())
    assert list(record["damaged"]) == ["a/x.jpg", "b/x.jpg"]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every format that is tried although it is not listed: each would take any file."""
    Image.init()
    found: list[str] = []

    def trap(name: str) -> tuple[Any, Any]:
        def factory(file: object, filename: object = "") -> ImageFile.ImageFile:
            found.append(name)
            raise SyntaxError

        return factory, lambda prefix: True

    for name in set(Image.OPEN) - set(FORMATS.values()):
        monkeypatch.setitem(Image.OPEN, name, trap(name))
    return found


def test_no_verb_tries_a_format_that_is_not_listed(
    place: Place, capsys: pytest.CaptureFixture[str], tried: list[str]
) -> None:
    place.folder({"a/x.jpg": SCRIPT, "a/y.png": b"\0" * 500})
    place.write("table.csv", "path,label\ndata/a/0.png,a\n" + f"{place.write('unnamed', SCRIPT)},b\n")
    bundle = place.bundle()
    for words in (
        ["data", "data"],
        ["data", "data", "--pack", "shards"],
        ["data", "table.csv", "--pack", "more"],
        train("data"),
        [*train("data"), "--skip-damaged"],
        evaluate(bundle, "data"),
        [*evaluate(bundle, "data"), "--protocol", "flip,144-crop"],
        predict(bundle, "data"),
        predict(bundle, "data/a/x.jpg"),
        kernel(place, "data"),
        ["features", bundle, "--data", "data", "--out", "features.npz"],
        ["lr-range", "--data", "data", "--model", "convnet_digits"],
    ):
        assert run(words) in (0, 1, 2), words
        capsys.readouterr()
    assert tried == []


def test_every_listed_format_is_read_under_each_of_its_endings(
    place: Place, capsys: pytest.CaptureFixture[str], tried: list[str]
) -> None:
    names = []
    for suffix, kind in FORMATS.items():
        if kind in Image.SAVE:
            image = Image.fromarray(PIXELS[:, :, 0])
            content = encoded(image.convert("1") if suffix == ".pbm" else image, kind)
            names.append(place.write(f"images/x{suffix}", content))
    rows = answer(capsys, predict(place.bundle(), "images"))
    assert sorted(row["path"] for row in rows["predictions"]) == sorted(names)
    assert tried == []
