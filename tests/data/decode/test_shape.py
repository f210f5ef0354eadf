"""Conclusions from image headers, against fitting the images themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from thorough import repeats

from convworks.data.config import MAX_PIXELS, Fit
from convworks.data.decode.decode import Probe
from convworks.data.decode.preprocess import fit_array
from convworks.data.decode.shape import (
    Headers,
    cut_share,
    cuts_much,
    fit_note,
    frames_note,
    image_shape,
    main_split,
    read_headers,
)
from convworks.data.sources.open import open_source
from convworks.errors import InputError

sides = st.integers(2, 30)


def headers(*sizes: tuple[int, int]) -> Headers:
    """Return headers of images of these sizes (height, width)."""
    probes = tuple(Probe(height=height, width=width, channels=3, mode="RGB", format="PNG") for height, width in sizes)
    return Headers(probes=probes, total=len(probes))


def survivors(have: tuple[int, int], size: tuple[int, int], fit: Fit) -> float:
    """Return the fraction of an image's pixels that reach the network, measured from the pixels."""
    fraction = 1.0
    for axis in (0, 1):
        seen = 0
        for position in range(have[axis]):
            image = np.zeros((*have, 1), np.uint8)
            image[(position, slice(None)) if axis == 0 else (slice(None), position)] = 255
            seen += bool(fit_array(image, size, fit).any())
        fraction *= seen / have[axis]
    return fraction


@settings(max_examples=repeats(20, 60))
@given(st.tuples(sides, sides), st.tuples(st.integers(12, 20), st.integers(12, 20)), st.sampled_from(["crop", "pad"]))
def test_what_is_cut_is_what_leaves_no_trace(have: tuple[int, int], size: tuple[int, int], fit: Fit) -> None:
    assert cut_share(headers(have), size, fit) == pytest.approx(1 - survivors(have, size, fit), abs=1e-9)


@pytest.mark.parametrize("fit", ["squash", "letterbox"])
def test_nothing_is_cut_where_images_are_kept_whole(fit: Fit) -> None:
    assert cut_share(headers((64, 256), (300, 20)), (96, 96), fit) == 0


def test_the_mean_is_over_images_not_over_sizes() -> None:
    assert cut_share(headers((64, 256), (96, 96), (96, 96), (96, 96)), (96, 96), "crop") == pytest.approx(0.75 / 4)


@pytest.mark.parametrize(
    ("sizes", "much"),
    [
        ([(64, 256)], True),
        ([(1080, 1920)], True),
        ([(4000, 6000)], False),  # 3:2, a third exactly
        ([(333, 500), (500, 333), (334, 500)], False),  # 3:2 in whole pixels
        ([(375, 500)], False),
        ([(96, 96)], False),
        ([(64, 256), (96, 96)], True),
        ([(64, 256), (96, 96), (96, 96)], False),
    ],
)
def test_more_than_a_third_is_much(sizes: list[tuple[int, int]], much: bool) -> None:
    assert cuts_much(headers(*sizes), (96, 96)) is much


@pytest.mark.parametrize(
    ("size", "fit", "words"),
    [
        ((64, 256), "crop", ["crops images to 96x96", "75%", "data.fit=letterbox or squash"]),
        ((375, 500), "crop", ["25%", "data.fit=letterbox"]),
        ((375, 500), "pad", ["cuts images to 96x96", "95%", "data.fit=letterbox"]),
        ((64, 256), "letterbox", ["letterboxes images to 96x96", "a crop would lose 75%"]),
        ((375, 500), "letterbox", None),
        ((64, 256), "squash", None),
        ((96, 100), "crop", None),
        ((96, 96), "pad", None),
    ],
)
def test_what_is_said(size: tuple[int, int], fit: Fit, words: list[str] | None) -> None:
    note = fit_note(headers(size), (96, 96), fit)
    assert (note is None) if words is None else (note is not None and all(word in note for word in words)), note


def test_frames_are_counted_among_those_looked_at() -> None:
    assert frames_note(0, looked=5, total=5) is None
    assert "1 file with" in str(frames_note(1, looked=5, total=5))
    assert "3 of the 512 files looked at" in str(frames_note(3, looked=512, total=600))


def test_a_letterbox_is_as_wide_as_the_images_are() -> None:
    odd = headers((64, 256), (64, 250))
    assert image_shape(odd, largest=96).size == (64, 64)
    assert image_shape(odd, largest=96, fit="letterbox").size == (96, 96)
    assert image_shape(headers((20, 90)), largest=96, fit="letterbox").size == (20, 90)


def test_headers_are_a_sample_of_what_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convworks.data.decode.shape.SAMPLE", 20)
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        for index in range(25):
            Image.new("L", (8, 6)).save(tmp_path / kind / f"{index:03d}.png")
    (tmp_path / "a" / "000.png").write_bytes(b"text")
    split = main_split(open_source(tmp_path))
    result = read_headers(split)
    assert (len(result.probes), result.total) == (19, 50)
    assert result.damage is not None
    assert result.damage[0].endswith("000.png")
    with pytest.raises(InputError, match=r"000\.png"):
        image_shape(Headers(probes=(), total=1, damage=result.damage), largest=96)


def test_a_header_of_many_pixels_counts(tmp_path: Path) -> None:
    """Images that are too large are refused only when decoded: the default size considers all images."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for kind in ("a", "b"):
        header = b"P5 40000 30000 255\n"
        with (tmp_path / kind / "x.pgm").open("wb") as file:
            file.write(header)
            file.truncate(len(header) + 40000 * 30000)
    result = read_headers(main_split(open_source(tmp_path)))
    assert [(probe.height, probe.width) for probe in result.probes] == [(30000, 40000)] * 2
    assert MAX_PIXELS < 40000 * 30000
