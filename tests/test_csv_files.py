from __future__ import annotations

import csv
import io
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convworks import csv_files
from convworks.errors import InputError

#: What spreadsheets take for the beginning of a formula (OWASP, CSV injection).
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
CELLS = st.text(st.sampled_from("'=+-@\t\r\n\",; 0159.eEaé\udcff"), max_size=6)


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "a.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def is_number(text: str) -> bool:
    """Return whether a text is a decimal number by Python's rule, which accepts a few more words."""
    try:
        float(text)
    except ValueError:
        return False
    return set(text) <= set(string.digits + "+-.eE")


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=4))
def test_what_is_read_is_what_was_written_and_nothing_of_it_is_a_formula(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    csv_files.write_csv(path, ("path", "x"), rows)
    header, result = csv_files.read_csv(path, "path", errors="surrogateescape")
    assert header == ["path", "x"]
    assert [cells for _, cells in result] == rows
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    for cells in csv.reader(io.StringIO(text, newline="")):  # what other programs see
        for cell in cells:
            assert not cell.startswith(DANGEROUS) or is_number(cell)


def test_numbers_stay_numbers_and_only_formulas_are_changed() -> None:
    rows = [["-0.5", -0.5, "+1e-3", None, "a-b", "'quoted'", "-", "-1+2", "=1", "'=1"]]
    assert csv_files.csv_text(["p:-x", "=y"], rows) == ("p:-x,'=y\n-0.5,-0.5,+1e-3,,a-b,'quoted','-,'-1+2,'=1,''=1\n")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_delimiters_line_ends_and_byte_order_marks(tmp_path: Path, mark: str, delimiter: str, ends: str) -> None:
    lines = (["Path", "label"], ["a.png", f'"x{delimiter}y"'], ["b.png", "é"])
    text = mark + ends.join(delimiter.join(cells) for cells in lines)
    header, rows = csv_files.read_csv(write(tmp_path, text), "path")
    assert header == ["Path", "label"]
    assert rows == [(2, ["a.png", f"x{delimiter}y"]), (3, ["b.png", "é"])]


def test_other_delimiters_inside_cells_part_nothing(tmp_path: Path) -> None:
    assert csv_files.read_csv(write(tmp_path, "path,labels\na.png,cat;dog\n"), "path")[1] == [(2, ["a.png", "cat;dog"])]
    assert csv_files.read_csv(write(tmp_path, "x;y;path\n1,5;2;a\n"), "path")[1] == [(2, ["1,5", "2", "a"])]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("path,label\na,x\n".encode("utf-16"), "is UTF-16 text"),
        ("path,label\na,x\n".encode("utf-16-le"), "zero bytes: it is not text, or UTF-16"),
        ("path,label\na,x\n".encode("utf-32"), "is UTF-32 text"),
        ("path,label\na,größe\n".encode("cp1252"), "is not UTF-8 text (byte 15 is 0xf6)"),
    ],
)
def test_other_encodings_are_named_with_a_remedy(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        csv_files.read_csv(write(tmp_path, content), "path")
    assert reason in str(caught.value)
    assert "save it as UTF-8" in caught.value.remedy
