from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convworks.data.column import COLOURS, Arrays
from convworks.data.inspect.sheet import TILE, write_contact_sheet
from convworks.data.inspect.survey import survey
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for split, count in (("train", 12), ("test", 2)):
        for label, colour in (("ants", "red"), ("bees", "blue")):
            (root / split / label).mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", (200 + index, 150), colour).save(root / split / label / f"{index:02d}.png")
    Image.new("L", (30, 40)).save(root / "train" / "ants" / "grey.jpg")
    (root / "notes.txt").write_text("text")
    return root


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def test_counts_sizes_and_files(folder: Path) -> None:
    result = survey(open_source(folder))
    assert result.counts == {"train": {"ants": 13, "bees": 12}, "test": {"ants": 2, "bees": 2}}
    assert result.totals == {"train": 25, "test": 4}
    assert result.widths == (30, 204, 211)
    assert result.heights == (40, 150, 150)
    assert next(iter(result.sizes.items())) == ("200x150", 4)
    assert result.channels == {"3": 28, "1": 1}
    assert result.formats == {"PNG": 28, "JPEG": 1}
    assert result.damaged == ()
    assert result.left_out == {"notes.txt": "not images"}
    images = [path for path in folder.rglob("*") if path.suffix in (".png", ".jpg")]
    assert result.bytes == sum(path.stat().st_size for path in images)


def test_damaged_files_are_listed(folder: Path) -> None:
    damage(folder / "train" / "bees" / "03.png")
    (folder / "test" / "ants" / "00.png").write_bytes(b"text")
    source = open_source(folder)
    assert "00.png" in [Path(name).name for name, _ in survey(source).damaged]
    progress: list[tuple[int, int]] = []
    result = survey(source, decode=True, report=lambda done, total: progress.append((done, total)))
    assert [Path(name).name for name, _ in result.damaged] == ["00.png", "03.png"]
    assert "is not an image" in result.damaged[0][1]
    assert progress == [(25, 25), (4, 4)]


def test_arrays() -> None:
    result = survey(open_source("digits"), decode=True)
    assert result.totals == {"train": 1442, "test": 355}
    assert (result.sizes, result.channels) == ({"8x8": 1797}, {"1": 1797})
    assert sum(result.counts["train"].values()) == 1442
    assert result.bytes == 1797 * 64


def test_images_without_classes(folder: Path, tmp_path: Path) -> None:
    result = survey(open_source(folder / "test" / "ants"))
    assert (result.counts, result.totals) == ({"all": {}}, {"all": 2})
    write_contact_sheet(open_source(folder / "test" / "ants"), tmp_path / "sheet.png")


def test_contact_sheet(folder: Path, tmp_path: Path) -> None:
    damage(folder / "train" / "bees" / "00.png")
    write_contact_sheet(open_source(folder), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        pixels = np.asarray(image).astype(int)
    red = (pixels == (255, 0, 0)).all(2)
    blue = (pixels == (0, 0, 255)).all(2)
    assert red.sum() in (10 * TILE**2, 9 * TILE**2), "the grey one may be among ten of thirteen"
    assert blue.sum() == 9 * TILE**2, "the damaged one is a cross"
    assert np.flatnonzero(red.any(1)).max() < np.flatnonzero(blue.any(1)).min()


def test_contact_sheet_is_deterministic(folder: Path, tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        write_contact_sheet(open_source(folder), tmp_path / name)
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("side", [3, 60, 130])
def test_contact_sheet_of_arrays_with_many_classes(tmp_path: Path, channels: int, side: int) -> None:
    labels = np.arange(60) % 37
    arrays = np.random.default_rng(0).integers(0, 256, (60, side, side + 1, channels), dtype=np.uint8)
    names = tuple(str(index) for index in range(60))
    classes = tuple("".join(random.Random(index).choices("aW i", k=index + 1)) for index in range(37))
    splits = {"train": Split(names=names, inputs=Arrays(arrays, COLOURS), targets=Arrays(labels))}
    source = Source(name="many", kind="idx", path=None, classes=classes, splits=splits)
    write_contact_sheet(source, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.height > 10 * TILE


def test_contact_sheet_leaves_nothing_half_written(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        write_contact_sheet(open_source(folder), tmp_path / "missing" / "sheet.png")
    assert not (tmp_path / "missing").exists()


def test_survey_of_a_set_with_every_file_damaged(folder: Path) -> None:
    for path in folder.rglob("*.*g"):
        path.write_bytes(b"")
    result = survey(open_source(folder))
    assert result.widths is None
    assert len(result.damaged) == 29
    assert all(isinstance(reason, str) for _, reason in result.damaged)
    assert issubclass(InputError, Exception)
