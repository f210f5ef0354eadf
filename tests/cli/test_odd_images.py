"""Images of unusual kinds are trained on and classified like any others."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from workplace import Place, encoded, predict, snapshot, train

from convworks.cli.main import run


def sixteen_bits(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels.astype(np.uint16) * 257), "PNG")


def cmyk(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels).convert("RGB").convert("CMYK"), "JPEG", quality=100, subsampling=0)


def palette(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels).convert("P"), "PNG")


def transparency(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels).convert("RGBA"), "PNG")


def rotated(pixels: np.ndarray) -> bytes:
    exif = Image.Exif()
    exif[274] = 6  # to be shown after a quarter turn clockwise
    return encoded(Image.fromarray(np.rot90(pixels).copy()), "PNG", exif=exif)


def array(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, pixels)
    return file.getvalue()


KINDS = {
    "sixteen.png": sixteen_bits,
    "cmyk.jpg": cmyk,
    "palette.png": palette,
    "alpha.png": transparency,
    "rotated.png": rotated,
    "array.npy": array,
}


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_folder_of_all_kinds(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Also of different sizes: the rotated ones are wider than high in the file."""
    wide = np.kron(place.digits[0][0], np.ones((3, 2), np.uint8))
    extra = {
        f"{letter}/{name}": write(place.digits[d][0]) for d, letter in enumerate("ab") for name, write in KINDS.items()
    }
    place.folder({**extra, "a/wide.jpg": cmyk(wide), "b/turned.png": rotated(wide)})
    before = snapshot(place.root / "data")
    looked = answer(["data", "data"], capsys)
    assert (looked["damaged"], looked["totals"]) == ([], {"all": 2 * (6 + len(KINDS) + 1)})
    trained = answer(train("data"), capsys)
    rows = answer(predict(trained["bundle"], "data"), capsys)
    assert (len(rows["predictions"]), rows["errors"]) == (2 * (6 + len(KINDS) + 1), [])
    assert snapshot(place.root / "data") == before


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_classified_as_the_same_picture_in_plain(
    name: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = place.digits[1][40]
    place.write(name, KINDS[name](pixels))
    place.write("plain.png", encoded(Image.fromarray(pixels), "PNG"))
    plain, odd = answer(predict(place.bundle(), "plain.png", name), capsys)["predictions"]
    assert odd["labels"] == plain["labels"]
    tolerance = 0.05 if name.endswith(".jpg") else 1e-6
    assert odd["probabilities"] == pytest.approx(plain["probabilities"], abs=tolerance)
