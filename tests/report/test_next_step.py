"""Recommended commands name files as a user in the working folder would."""

from __future__ import annotations

from pathlib import Path

import pytest

from convworks.report.next_step import evaluate_command, nearby


def test_names_that_look_like_options_or_hold_spaces() -> None:
    """A bundle that begins with a dash is no option; the value of an option is read whatever it begins with."""
    written = evaluate_command(["-r", "a b", "ü's"], "-data", Path("-out"))
    assert written == """convworks evaluate ./-r 'a b' 'ü'"'"'s' --data -data --out -out"""


def test_a_path_below_the_working_folder_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    below, beside = Path.cwd() / "my photos", tmp_path / "here-too"
    assert evaluate_command(["runs/a"], below) == "convworks evaluate runs/a --data 'my photos'"
    assert [nearby(each) for each in (beside, Path.cwd(), "digits", "data/a")] == [
        str(beside),
        str(Path.cwd()),
        "digits",
        "data/a",
    ]
    assert nearby(Path.cwd() / "digits") == "./digits"  # a folder, not the set of this name
