"""CSV files: read with commas, semicolons or tabs as delimiters; written such that no spreadsheet evaluates a cell.

Spreadsheets take a cell that begins with = + - @, a tab or a line end for a formula, and a file may be named
`=HYPERLINK(...)`. Such a text is prefixed with an apostrophe, the convention of spreadsheets; numbers are unchanged.
`read_csv` removes the apostrophe, so that every text survives a round trip.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from convworks.errors import InputError
from convworks.files import read_text, write_text

DELIMITERS = (",", ";", "\t")
LARGEST = 2**31  # bytes
GUARD = "'"
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
STARTS = f"{GUARD}=+-@\t\r\n"
#: Texts that a spreadsheet would evaluate, or that look guarded already.
FORMULA = re.compile(rf"{GUARD}*(?!{NUMBER}\Z)[=+\-@\t\r\n]")
QUOTED = re.compile(r'[,;"\t\r\n]')
PLAIN = re.compile(r'[0-9A-Za-z/][^,;"\t\r\n]*')  # neither guarded nor quoted: most cells

Row = tuple[int, list[str]]  # the number of its (last) line, and its cells


def read_csv(
    path: Path, column: str, *, errors: str = "strict", skipinitialspace: bool = False
) -> tuple[list[str], list[Row]]:
    """Return the header of a CSV file, with names stripped, and its rows; empty lines are skipped.

    The delimiter is one that splits the header into names including `column`, in any case. Raises InputError for a
    file that cannot be read, is not text, or has unterminated quotes.
    """
    text = read_text(path, limit=LARGEST, errors=errors)
    first = re.split("[\r\n]", text, maxsplit=1)[0]
    names = {delimiter: [name.strip() for name in first.split(delimiter)] for delimiter in DELIMITERS}
    matches = [mark for mark in DELIMITERS if column in (name.strip('" ').lower() for name in names[mark])]
    delimiter = (matches or sorted(DELIMITERS, key=lambda mark: -len(names[mark])))[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), strict=True, delimiter=delimiter, skipinitialspace=skipinitialspace
    )
    try:
        rows = [(reader.line_num, [unguarded(cell) for cell in cells]) for cells in reader if cells]
    except csv.Error as error:
        raise InputError(path, f"is not a CSV file (line {reader.line_num}: {error})", "correct it") from None
    header = [name.strip() for name in rows[0][1]] if rows else []
    return header, rows[1:]


def csv_text(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return the text of a CSV file with a header; None becomes an empty cell."""
    return "".join(map(csv_line, chain((header,), rows)))


def csv_line(cells: Iterable[Any]) -> str:
    """Return a row as a line of a CSV file; None becomes an empty cell."""
    line = ",".join(map(_written, cells)) or '""'  # an empty line would not be read as a row
    return f"{line}\n"


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a CSV file atomically."""
    write_text(path, csv_text(header, rows))


def guarded(text: str) -> str:
    """Return a text as a cell that no spreadsheet evaluates."""
    return GUARD + text if text[:1] in STARTS and FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """Return the original text of a guarded cell."""
    return cell[1:] if cell.startswith(GUARD) and FORMULA.match(cell) else cell


def _written(value: Any) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    if PLAIN.fullmatch(value):
        return value
    cell = guarded(value)
    return '"' + cell.replace('"', '""') + '"' if QUOTED.search(cell) else cell


def decimals(values: Iterable[Any]) -> list[str]:
    """Format numbers with six significant digits."""
    return [f"{float(value):.6g}" for value in values]
