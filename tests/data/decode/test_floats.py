"""The values of black and white belong to a source, not to an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convworks.data.config import DECODING, MAX_PIXELS, DataConfig
from convworks.data.decode.floats import decoding_of, float_range, floats_note, has_floats
from convworks.data.decode.shape import main_split, read_headers
from convworks.data.source import Source
from convworks.data.sources.open import open_source


def write(path: Path, greatest: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.linspace(0, greatest, 48, dtype=np.float32).reshape(6, 8)).save(path)
    return path


@pytest.mark.parametrize(
    ("greatest", "ends"),
    [
        ([0.2, 1.0], (0, 1)),
        ([0.2, 0.5, 1.01], (0, 255)),
        ([0.5, 200.0], (0, 255)),
        ([-1.0, float("nan"), 0.5], (0, 1)),
        ([], None),
    ],
)
def test_the_range_is_that_of_all_files(
    greatest: list[float], ends: tuple[float, float] | None, tmp_path: Path
) -> None:
    Image.new("L", (8, 6)).save(tmp_path / "bytes.png")
    (tmp_path / "damaged.tif").write_bytes(b"II*\0 nothing")
    files = [write(tmp_path / f"{index}.tif", value) for index, value in enumerate(greatest)]
    files = [tmp_path / "bytes.png", tmp_path / "damaged.tif", tmp_path / "missing.tif", *files]
    assert float_range(files, MAX_PIXELS) == ends
    assert float_range(files[::-1], MAX_PIXELS) == ends


def test_too_many_pixels_are_not_decoded(tmp_path: Path) -> None:
    assert float_range([write(tmp_path / "x.tif", 200.0)], 47) is None
    assert float_range([write(tmp_path / "x.tif", 200.0)], 48) == (0, 255)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Return a source whose train images are dark, while one in test is not."""
    for split, kind, value in (("train", "a", 0.5), ("train", "b", 0.9), ("test", "a", 0.5), ("test", "b", 250.0)):
        write(tmp_path / split / kind / "x.tif", value)
    return open_source(tmp_path)


def test_all_splits_count_and_what_is_given_counts_more(source: Source) -> None:
    probes = read_headers(main_split(source)).probes
    assert has_floats(probes)
    data = DataConfig(source="x")
    assert decoding_of(data, source, probes).float_range == (0, 255)
    configured = data.model_copy(update={"float_range": (-1.0, 3.0), "max_pixels": 100})
    result = decoding_of(configured, source, probes)
    assert (result.float_range, result.max_pixels) == ((-1, 3), 100)
    assert "-1 is black and 3 white" in floats_note(result.float_range)


def test_nothing_is_decoded_without_a_header_that_says_so(source: Source) -> None:
    assert decoding_of(DataConfig(source="x"), source, ()) == DECODING
