"""Where files may be written: outside the input under any name, and over existing files only on request."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convworks
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.errors import InputError
from convworks.outputs import Protected, as_path, check_file, check_outside, check_replaced, numbered, numbers


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Protected:
    """Make data/a, data/c (a link to photos), a link into data, and a link out of it; protect data and photos."""
    monkeypatch.chdir(tmp_path)
    for folder in ("data/a", "photos/deep", "work"):
        Path(folder).mkdir(parents=True)
    Path("data/c").symlink_to("../photos")
    Path("door").symlink_to("data/a")
    Path("data/way-out").symlink_to("../work")
    Path("data/a/0.png").write_text("an image")
    os.link("data/a/0.png", "work/hard.png")
    Path("work/soft.png").symlink_to("../data/a/0.png")
    Path("work/soft-to-hard.png").symlink_to("hard.png")
    return Protected(folders=(Path("data"), Path("photos")), files=([Path("data/a/0.png")],))


INSIDE = (
    "data",
    "data/x",
    "data/a/b/c/x",
    "door/x",
    "photos/x",
    "data/c/x",
    "work/../data/x",
    "data/way-out",
    "work/soft.png",
)
OUTSIDE = ("x", "work", "work/x", "data-2/x", "data/../x", "database", "work/hard.png", ".", "gone/../x")


@pytest.mark.parametrize("path", INSIDE)
def test_inside(path: str, tree: Protected) -> None:
    for each in (Path(path), Path(path).absolute()):
        with pytest.raises(InputError, match=r"--out .*: is inside (data|photos), which is never written to"):
            check_outside("--out", each, tree)


@pytest.mark.parametrize("path", OUTSIDE)
def test_outside(path: str, tree: Protected) -> None:
    check_outside("--out", Path(path), tree)
    check_outside("--out", Path(path).absolute(), tree)


def test_from_within_the_data(tree: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Protected(folders=(Path("data").absolute(),))
    monkeypatch.chdir("data/a")
    check_outside("--out", Path("../../x"), read)
    with pytest.raises(InputError, match="is inside"):
        check_outside("--out", Path("../x"), read)


@pytest.mark.parametrize("name", ["hard.png", "soft-to-hard.png"])
def test_an_input_stays_an_input_by_any_name(name: str, tree: Protected) -> None:
    with pytest.raises(InputError, match=r"would overwrite the input data/a/0\.png"):
        check_replaced("--out", [Path("work", name)], tree, overwrite=True)


def test_what_is_there_is_replaced_where_that_is_asked_for(tree: Protected) -> None:
    paths = [Path("work/new"), Path("work/old"), Path("work/older")]
    check_replaced("--out", paths, tree, overwrite=False)
    for path in paths[1:]:
        path.write_text("")
    check_replaced("--out", paths, tree, overwrite=True)
    with pytest.raises(InputError, match=r"work/old: already exists \(with 1 more\); add --overwrite"):
        check_replaced("--out", paths, tree, overwrite=False)
    with pytest.raises(InputError, match="is a folder"):
        check_replaced("--out", [Path("work")], tree, overwrite=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_no_file(tree: Protected) -> None:
    os.mkfifo("pipe.png")
    with pytest.raises(InputError, match="is a pipe or a device"):
        check_file("--out", Path("pipe.png"), tree, suffixes=(".png",), overwrite=True)


def test_checking_leaves_nothing_behind(tree: Protected) -> None:
    before = sorted(Path().rglob("*"))
    check_file("--out", Path("work/x.png"), tree, suffixes=(".png",))
    check_file("--out", Path("x.PNG"), tree, suffixes=(".png",))
    assert sorted(Path().rglob("*")) == before


@given(st.sets(st.integers(1, 6)))
def test_the_first_number_that_is_free(taken: set[int]) -> None:
    names = dict(zip(range(1, 8), numbers(Path("x.tar.png")), strict=False))
    assert [names[1], names[2], names[7]] == [Path("x.tar.png"), Path("x.tar-2.png"), Path("x.tar-7.png")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os.path, "lexists", lambda path: path in {names[number] for number in taken})
        assert numbered(Path("x.tar.png")) == names[min(set(range(1, 8)) - taken)]


def test_an_empty_place_is_none() -> None:
    assert as_path("--out", None) is None
    assert as_path("--out", "x") == Path("x")
    for call in (convworks.train, convworks.restarts, convworks.tune):
        with pytest.raises(InputError, match="out: is empty"):
            call("digits/default", out=" ")


def test_a_source_that_is_on_no_disk_protects_nothing() -> None:
    source = Source(name="digits", kind="digits", path=None, classes=(), splits={})
    assert protect(source).folders == ()
    assert [*protect(source).files[0]] == []
