"""The studies of restoration: what is there is not measured again, and the worst case is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.restore import __main__ as command
from benchmarks.restore import tables

from convworks.errors import InputError


def test_a_study_goes_on_after_a_kill_and_after_a_cell_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of three rows was being written."""
    row = {"runs": 1, "psnr": 28.0, "seconds": 3.0, "fits": [{"averaged": True}]}
    first_key = "1-0-96-5min"
    first = json.dumps({"key": first_key, **row})
    (tmp_path / "spread.jsonl").write_text(first + "\n" + first[:20])
    measured: list[Any] = []

    def measure(args: Any, cells: Any) -> Any:
        measured.extend(cells)
        return ((key, InputError(key, "is too large") if key == "2-1-96-5min" else row) for key in cells)

    monkeypatch.setattr(command, "measured", measure)
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["restore", "spread", "--out", str(tmp_path), "--seeds", "2"])
    assert command.main() == 1
    assert measured == ["1-1-96-5min", "2-0-96-5min", "2-1-96-5min", "4-0-96-5min", "4-1-96-5min"]
    rows = [json.loads(line) for line in (tmp_path / "spread.jsonl").read_text().splitlines()]
    assert [each["key"] for each in rows] == [first_key, *(key for key in measured if key != "2-1-96-5min")]


def test_the_worst_case_of_a_rule_is_named() -> None:
    """Each rule is compared with the best iteration of its own fit: with pixels held out, or with all of them."""
    best = {"noisy": 20.0, "best": 28.0, "best_of_all": 28.1, "variance_published": 26.0, "variance_averaged": 27.5}
    rows = [
        {"key": "a", "held_out": 27.9, "fixed": 27.0, **best},
        {"key": "b", "held_out": 27.6, "fixed": 28.1, **best},
    ]
    text = tables.rules(rows)
    assert "held-out: 0.25 dB on average, at most 0.40 dB (b) below the best iteration" in text
    assert "fixed number: 0.55 dB on average, at most 1.10 dB (a) below the best iteration" in text
    assert "+0.10 dB better" in text
