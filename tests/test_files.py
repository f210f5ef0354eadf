from __future__ import annotations

import ast
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
    with pytest.raises(InputError, match="not UTF-8 text"):
        files.read_text(tmp_path / "a")
    with pytest.raises(InputError, match="has 4 bytes, more than 3"):
        files.read_text(tmp_path / "a", limit=3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[" * 100_000, "nested too deeply"), ('{"a": NaN}', "NaN"), ("{", "is not JSON"), ("", "JSON")],
)
def test_json_that_is_none(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=reason):
        files.read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a/~/b", "a/~/b"),
        ("~", "/home/me"),
        ("~/a b", "/home/me/a b"),
        ("~/$NAME", "/home/me/n"),
        ("~there/x", "~there/x"),  # a folder here
        ("~nobody-is-called-so/x", "~nobody-is-called-so/x"),
        ("$NAME.png", "n.png"),
        ("${NAME}x/*.png", "nx/*.png"),
        ("$UNKNOWN/x", "$UNKNOWN/x"),
        ("$here/x", "$here/x"),  # a folder here
        ("${here}/x", "h/x"),
        ("http://a/~b/$NAME", "http://a/~b/$NAME"),
        ("mnist", "mnist"),
        ("./mnist", "./mnist"),
        ("", ""),
    ],
)
def test_paths_are_meant_as_shells_read_them(
    text: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": "/home/me", "NAME": "n", "here": "h"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("UNKNOWN", raising=False)
    for folder in ("$here", "~there/x"):
        (tmp_path / folder).mkdir(parents=True)
    assert files.expand(text) == meant


#: What opens files by itself, and why it may: what is meant is no file of anybody's, or has been looked at before.
OWN = {
    "files.py": "the readers themselves",
    "hardware.py": "/proc",
    "data/cache/memory.py": "/proc and /sys",
    "data/sources/digits.py": "scikit-learn's own file",
}


def test_every_file_is_read_by_the_readers_that_refuse_pipes() -> None:
    root = Path(files.__file__).parent
    calls = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name in OWN:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _reads(node):
                calls.append(f"{name}:{node.lineno}: {ast.unparse(node)[:80]}")
    assert calls == []


def _reads(call: ast.Call) -> bool:
    """Return whether a call opens a file for reading by its name."""
    if not isinstance(call.func, ast.Attribute | ast.Name):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if name in ("read_text", "read_bytes"):
        return owner not in ("", "files") and "__file__" not in owner  # beside it lie files of the package
    # An input opens a split (data/inputs/), by these readers.
    if (
        name != "open"
        or "input" in owner
        or owner in ("os", "Image", "gzip")
        or any(word.arg == "fileobj" for word in call.keywords)
    ):
        return False
    texts = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return not any(set(text) <= set("rwaxbt+") and set(text) & set("wax") for text in texts)
