from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from convworks.charts.lettering import fit, text_width
from convworks.data.column import COLOURS, Arrays
from convworks.data.inspect.fit_text import LEAST, LONGEST, ending, fitted, shorten, wrapped
from convworks.data.inspect.sheet import write_contact_sheet
from convworks.data.source import Source, Split

WIDTHS = {"i": 1.0, "…": 4.0}  # of other letters 3


def measure(text: str) -> float:
    return sum(WIDTHS.get(letter, 3.0) for letter in text)


def test_a_path_keeps_its_end() -> None:
    assert ending("photographs/val/ants/5961153_b8c13fd405.jpg", 27) == "…nts/5961153_b8c13fd405.jpg"
    assert ending("val/ants/1.jpg", 14) == "val/ants/1.jpg"


def test_names_wrap_between_words_and_end_in_an_ellipsis() -> None:
    assert wrapped("northern elephant seal", 10, len, 2) == ["northern", "elephant…"]
    assert wrapped("northern elephant seal", 10, len, 3) == ["northern", "elephant", "seal"]
    assert wrapped("val/bees/10870992_eebeeb3a12.jpg", 20, len, 2) == ["val/bees/10870992_", "eebeeb3a12.jpg"]
    assert wrapped("internationalisation", 8, len, 2) == ["internat", "ionalis…"]
    assert wrapped("", 8, len, 2) == []


@given(st.text("iw -", max_size=60), st.integers(6, 60), st.integers(1, 4))
def test_wrapped_text_fits_and_keeps_its_letters_in_order(text: str, width: int, most: int) -> None:
    lines = wrapped(text, width, measure, most)
    assert len(lines) <= most
    assert all(measure(line) <= width or len(line) <= 2 for line in lines)
    joined = "".join(lines).replace(" ", "")
    assert text.replace(" ", "").startswith(joined.removesuffix("…"))
    assert joined.endswith("…") or joined == text.replace(" ", "")


@given(st.text("iw", max_size=60), st.integers(0, 120))
def test_as_much_as_fits(text: str, width: int) -> None:
    result = fitted(text, width, measure)
    naive = next(
        (short for n in range(len(text), LEAST, -1) if measure(short := shorten(text, n)) <= width),
        shorten(text, LEAST),
    )
    assert measure(result) <= width or len(result) <= LEAST
    assert abs(len(result) - len(naive)) <= 3  # a letter more is not always wider: the sign takes room too


def test_what_is_long_is_measured_seldom_and_never_whole() -> None:
    measured: list[int] = []

    def count(text: str) -> float:
        measured.append(len(text))
        return measure(text)

    assert measure(fitted("w" * 10**6, 200, count)) <= 200
    assert max(measured) <= LONGEST
    assert len(measured) < 15
    began = time.perf_counter()
    assert text_width(fit("Wi " * 100_000, 12, 150), 12) <= 150
    assert time.perf_counter() - began < 1


def test_a_contact_sheet_of_classes_with_long_names(tmp_path: Path) -> None:
    classes = tuple(letter + "Wi " * 1700 for letter in "abcdefghij")
    arrays = np.zeros((20, 4, 4, 1), np.uint8)
    split = Split(names=tuple(map(str, range(20))), inputs=Arrays(arrays, COLOURS), targets=Arrays(np.arange(20) % 10))
    source = Source(name="x", kind="k", path=None, classes=classes, splits={"train": split})
    began = time.perf_counter()
    write_contact_sheet(source, tmp_path / "x.png")
    assert time.perf_counter() - began < 5  # it took a minute
