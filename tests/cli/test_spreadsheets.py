"""Names that a spreadsheet would compute: guarded in every CSV file, exact in JSON, and read back as they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from workplace import Place

from convworks.cli.main import run
from convworks.csv_files import read_csv

NAMES = ("=1+1.png", "+x.png", "-x.png", "@x.png", "'=x.png", "plain.png")


@pytest.fixture
def named(place: Place) -> Place:
    """Make class folders =a and @b, images that begin like formulas, and a bundle of these classes."""
    place.folder(classes="")
    for label, letter in enumerate(("=a", "@b")):
        place.images(f"data/{letter}", label)
        for index, name in enumerate(NAMES):
            (place.root / "data" / letter / f"{index}.png").rename(place.root / "data" / letter / name)
    place.bundle(lambda description: description.update(classes=["=a", "@b"]))
    return place


def cells(path: Path) -> list[str]:
    """Return what other programs find in a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


def test_answers(named: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(named.root / "data" / "=a")
    bundle, files = "../../bundle", [f"./{name}" if name.startswith("-") else name for name in NAMES]
    assert run(["predict", bundle, *files, "--out", "../../p.csv"]) == 0
    capsys.readouterr()
    assert run(["predict", bundle, *files, "--json"]) == 0
    exact = json.loads(capsys.readouterr().out)["predictions"]
    assert run(["predict", bundle, *files, "--out", "../../p.jsonl"]) == 0
    lines = (named.root / "p.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == [row["path"] for row in exact]
    assert not [cell for cell in cells(named.root / "p.csv") if cell.startswith(("=", "@", "+", "-"))]
    header, rows = read_csv(named.root / "p.csv", "path")
    assert [row[0] for _, row in rows] == [row["path"] for row in exact]
    assert [row[header.index("label1")] for _, row in rows] == [row["labels"][0] for row in exact]


def test_an_evaluation_is_read_again(named: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "bundle", "--data", "data", "--out", "e"]) == 0
    for name in ("predictions.csv", "label_errors.csv"):
        assert not [cell for cell in cells(named.root / "e" / name) if cell.startswith(("=", "@"))]
    capsys.readouterr()
    assert run(["compare", "e/predictions.csv", "bundle", "--data", "data", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["difference"]) == (12, 0)
    words = ["evaluate", "bundle", "--data", "data", "--slices", "e/predictions.csv", "--by", "label", "--json"]
    assert run(words) == 0
    assert {row["value"] for row in json.loads(capsys.readouterr().out)["slices"]["rows"]} == {"=a", "@b"}
