from __future__ import annotations

import contextlib
import os
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


def test_a_pipe_is_refused_and_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path / "pipe", "a pipe or a device"), (tmp_path, "a folder"), (tmp_path / "x", "No such")):
        with pytest.raises(InputError, match=what):
            files.read_bytes(path)
    with pytest.raises(InputError, match="a pipe or a device"):
        files.read_bytes(Path("/dev/zero"))


def test_text_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    for content in (b"na\xc3\xafve\n", b"\xef\xbb\xbfna\xc3\xafve\n"):
        (tmp_path / "a").write_bytes(content)
        assert files.read_text(tmp_path / "a") == "naïve\n"
    (tmp_path / "a").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="no UTF-8 text"):
        files.read_text(tmp_path / "a")
    with pytest.raises(InputError, match="has 4 bytes, more than 3"):
        files.read_text(tmp_path / "a", limit=3)


@pytest.mark.parametrize(
    ("text", "reason"), [("[" * 100_000, "nested too deeply"), ('{"a": NaN}', "NaN"), ("{", "is no JSON"), ("", "JSON")]
)
def test_json_that_is_none(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=reason):
        files.read_json(tmp_path / "a.json")
