"""Atomic writing of files and folders, with concurrent writers and leftovers of killed processes."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from convworks import files, locks
from convworks.partial import MARK, own_file, own_folder
from convworks.training import folder as run_folder

pytestmark = pytest.mark.skipif(not locks.AVAILABLE, reason="the system has no such locks")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / f"a.csv{MARK}").write_text("half of something longer")
    files.write_text(tmp_path / "a.csv", "whole")
    assert (tmp_path / "a.csv").read_text() == "whole"
    assert names(tmp_path) == ["a.csv"]


def test_what_is_in_use_is_left_alone(tmp_path: Path) -> None:
    temporary, handle = own_file(tmp_path / "a.csv")
    os.write(handle, b"the other's")
    files.write_text(tmp_path / "a.csv", "ours")
    assert temporary.read_text() == "the other's"
    temporary.replace(tmp_path / "a.csv")
    os.close(handle)
    assert (tmp_path / "a.csv").read_text() == "the other's"
    assert names(tmp_path) == ["a.csv"]


def test_no_link_is_followed_and_nothing_else_of_the_name_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f"a.csv{MARK}").symlink_to("precious")
    (tmp_path / f"b.csv{MARK}").mkdir()
    os.mkfifo(tmp_path / f"c.csv{MARK}")
    before = names(tmp_path)
    for name in ("a.csv", "b.csv", "c.csv"):
        files.write_text(tmp_path / name, "whole")
        assert (tmp_path / name).read_text() == "whole"
    assert (tmp_path / "precious").read_text() == "precious"
    assert names(tmp_path) == sorted([*before, "a.csv", "b.csv", "c.csv"])


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    texts = [str(number) * 10_000 for number in range(8)]

    def write(number: int) -> bool:
        files.write_text(tmp_path / "a", texts[number % 8])
        return (tmp_path / "a").read_text() in texts

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write, range(200)))
    assert names(tmp_path) == ["a"]


def test_folders_are_taken_over_too(tmp_path: Path) -> None:
    (tmp_path / f"out{MARK}" / "deep").mkdir(parents=True)
    (tmp_path / f"out{MARK}" / "half").write_text("half")
    (tmp_path / f"out{MARK}" / "link").symlink_to("deep")
    with files.atomic_folder(tmp_path / "out") as unfinished:
        assert names(unfinished) == []
        (unfinished / "a").write_text("a")
        with own_folder(tmp_path / "out") as theirs:
            assert theirs != unfinished
        assert names(tmp_path) == [f"out{MARK}"]
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


@pytest.mark.parametrize("mount", [False, True])
def test_an_empty_folder_becomes_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: bool) -> None:
    """A mount point cannot be replaced: files are moved into it."""
    out = tmp_path / "out"
    out.mkdir()
    (out / f"x{MARK}").write_text("of a process that is missing")
    assert files.is_free(out)
    monkeypatch.setattr(Path, "is_mount", lambda path: mount and path == out)
    with files.atomic_folder(out) as temporary:
        assert (temporary.parent == out) == mount
        (temporary / "a").write_text("a")
        (temporary / "b").mkdir()
        assert not (out / "a").exists()
    assert names(tmp_path) == ["out"]
    assert [name for name in names(out) if not name.endswith(".partial")] == ["a", "b"]
    assert not files.is_free(out)


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with files.atomic_folder(tmp_path / "new" / "out") as temporary:
            (temporary / "a").write_text("a")
            (temporary / "gone" / "b").write_text("b")

    with pytest.raises(OSError, match="No such") as error:
        fail()
    assert error.value.filename == str(tmp_path / "new" / "out" / "gone" / "b")
    assert names(tmp_path) == []
    with pytest.raises(OSError, match="elsewhere") as error, files.atomic_folder(tmp_path / "out"):
        raise OSError(5, "elsewhere", "image.png")
    assert error.value.filename == "image.png"


def test_what_other_programs_call_partial_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.pdf.partial").write_text("mine")
    assert not files.is_free(tmp_path)
    (tmp_path / "thesis.pdf.partial").rename(tmp_path / "run.json.123.partial")  # as earlier versions called theirs
    assert files.is_free(tmp_path)
    (tmp_path / "course.partial").mkdir()
    (tmp_path / "course.partial" / "notes.txt").write_text("mine")
    run_folder.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["course.partial"]


def test_a_failed_write_leaves_what_another_process_has_taken_over(tmp_path: Path) -> None:
    with contextlib.suppress(RuntimeError), files.atomic(tmp_path / "a") as file:
        (temporary,) = tmp_path.iterdir()
        temporary.unlink()
        temporary.write_text("theirs")
        file.write(b"ours")
        raise RuntimeError
    assert temporary.read_text() == "theirs"


def test_an_error_keeps_the_name_of_another_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, files.atomic(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert str(caught.value).endswith("other'")
    with pytest.raises(FileNotFoundError) as caught:
        files.write_text(tmp_path / "no" / "a", "")
    assert str(caught.value).endswith("no/a'")


def test_a_name_may_be_as_long_as_the_disk_takes(tmp_path: Path) -> None:
    files.write_text(tmp_path / ("x" * 255), "whole")
    with files.atomic_folder(tmp_path / ("y" * 255)) as longest:
        files.write_text(longest / "a", "whole")
    assert sorted(path.name[:1] for path in tmp_path.iterdir()) == ["x", "y"]
