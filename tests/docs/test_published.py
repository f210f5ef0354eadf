"""docs/published.md against the lectures' tables (written down here anew) and against the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convworks.models import NAMES
from convworks.models.analysis.count import count_published
from convworks.models.catalogue import facts

PAGE = (Path(__file__).parents[2] / "docs" / "published.md").read_text()
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| ")]
ERRORS = [row for row in ROWS if len(row) == 7 and row[0] != "who"]

#: Lecture 003: figure 2 of the VGG paper, tables 4 and 5 of the ResNet paper, table 3 of Inception v3; lecture 001.
LECTURES = [
    *("23.7 6.8 6.8", "24.4 7.1 7.0", "24.7 7.5 7.3", "27.9 9.1 9.1", "8.1", "11.7", "12.5", "36.0 14.7 14.8"),
    *("37.5 16.0 16.1", "34.0 13.2 13.6", "35.7 14.2", "38.1 16.4 16.4", "40.7 18.2"),
    *("8.43", "7.89", "21.59 5.71", "21.99 5.81", "21.84 5.71", "21.53 5.60", "20.74 5.25", "19.87 4.60"),
    *("19.38 4.49", "6.66", "4.94", "4.82", "3.57"),
    *("29 9.2", "26.8", "25.2 7.8", "23.4", "23.1 6.3", "22.8 6.1", "21.6 5.8", "21.2 5.6"),
    *("25.6", "3.6", "5.1"),
]


def test_every_number_of_the_lectures_is_there() -> None:
    printed = {" ".join(filter(None, row[3:6])) for row in ERRORS}
    assert [numbers for numbers in LECTURES if numbers not in printed] == []
    assert "15.4" in {row[4] for row in ERRORS}
    assert "16.5" in {row[4] for row in ERRORS}
    for cells in (
        ["Inception", "31.0 million", "72.2 %"],
        ["BN-Baseline", "13.3 million", "72.7 %"],
        ["BN-x5", "2.1 million", "73.0 %"],
        ["BN-x30", "2.7 million", "74.8 %"],
        ["BN-x5-Sigmoid", "", "69.8 %"],
    ):
        assert cells in ROWS


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row[2]} {row[1]}")
def test_the_catalogue_says_the_same(row: list[str]) -> None:
    names = re.findall(r"`(\w+)`", row[2])
    assert set(names) <= set(NAMES)
    if len(names) == 1:
        errors = re.findall(r"\d+(?:\.\d+)?", facts(names[0]).published_error)
        validation = [cell for cell in row[3:5] if cell]
        assert set(validation or [row[5]]) <= set(errors)


def test_counts() -> None:
    costs = next(row for row in ROWS if row[0] == "counted here")
    counted = {name: count_published(name) for name in ("googlenet", "bn_inception", "inception_v2", "inception_v3")}
    macs = {name: f"{count.macs / 1e9:.2f}" for name, count in counted.items()}
    assert costs[1] == macs["googlenet"]
    assert costs[3] == macs["bn_inception"]
    assert costs[5] == f"{macs['inception_v2']} (v2), {macs['inception_v3']} (v3)"
    google = counted["googlenet"]
    assert (
        f"make {google.parameters / 1e6:.1f} million, {(google.parameters + google.auxiliary) / 1e6:.1f} with"
        in " ".join(PAGE.split())
    )
