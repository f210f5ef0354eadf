from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from convworks import files
from convworks.errors import InputError, RunError, nearest


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with contextlib.suppress(RuntimeError), files.atomic(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text() == '{\n  "old": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_json_cannot_hold_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_sha256_of_known_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")


def test_errors_are_one_line_with_their_status() -> None:
    error = InputError("a file", "broken\nin the middle", "mend it")
    assert str(error) == "a file: broken in the middle; mend it"
    assert (error.exit_status, RunError("x", "y").exit_status) == (2, 1)


def test_nearest_names() -> None:
    assert nearest("resnet21", ["resnet20", "lenet5"]) == " (did you mean 'resnet20'?)"
    assert nearest("zzz", ["resnet20"]) == ""
