from __future__ import annotations

import glob
import os
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convworks.data.sources.image_names import is_image
from convworks.data.sources.walk import match_pattern, path_on_disk, walk
from convworks.errors import InputError

NAMES = st.sampled_from(["a", "b.png", "c.txt", "é.png", ".h", ".h.png", "@eaDir", "._b.png", "Thumbs.db", "a b.jpg"])
TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=4).map(tuple), st.just(None), min_size=1, max_size=12)
PATTERNS = [
    "*",
    "**",
    "*.png",
    "**/*.png",
    "a/*",
    "*/*",
    "**/a/*",
    "a/**/*.jpg",
    "[ab]*",
    "?.png",
    "a/../*",
    "**/*/**",
]
LEFT_BEHIND = ("@eaDir", "._b.png", "Thumbs.db")


def grow(root: Path, tree: dict[tuple[str, ...], None]) -> None:
    """Make an empty file for each path, unless a folder or file already exists there."""
    for parts in tree:
        path = root.joinpath(*parts)
        if not path.exists() and not any(above.is_file() for above in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def shown(path: Path) -> bool:
    return not any((part.startswith(".") and part != "..") or part in LEFT_BEHIND for part in path.parts)


@given(TREES)
def test_all_files_are_found_but_for_hidden_ones_in_folders(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[tuple[str, ...], None]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    grow(root, tree)
    files = {Path(place, name).relative_to(root) for place, _, names in os.walk(root) for name in names}
    result = list(walk(root))
    assert len(set(result)) == len(result)
    assert {Path(name) for name in result if shown(Path(name))} == set(filter(shown, files))
    hidden = {name for name in result if not shown(Path(name))}
    assert all(name.rstrip("/").rpartition("/")[2].startswith(".") for name in hidden)
    assert all((root / name).is_dir() == name.endswith("/") for name in hidden)


@given(TREES, st.sampled_from(PATTERNS))
def test_a_pattern_names_what_glob_does(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[tuple[str, ...], None], pattern: str
) -> None:
    root = tmp_path_factory.mktemp("tree")
    grow(root, tree)
    text = f"{glob.escape(str(root))}/{pattern}"
    paths = {Path(path) for path in glob.glob(text, recursive=True) if Path(path).is_file()}
    matches = {path for path in paths if shown(path.relative_to(root))}
    expected = {path for path in matches if is_image(path.name)} or matches
    result = match_pattern(text)
    assert result == sorted(expected)


def test_links_are_followed_by_patterns_too_and_circles_refused(tmp_path: Path) -> None:
    for name in ("set/a/1.png", "elsewhere/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / name)
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    assert [path.name for path in match_pattern(f"{tmp_path}/set/**")] == ["1.png", "2.png"]
    assert list(walk(tmp_path / "set")) == ["a/1.png", "b/2.png"]
    (tmp_path / "set" / "c").symlink_to(tmp_path / "set")
    for search in (lambda: list(walk(tmp_path / "set")), lambda: match_pattern(f"{tmp_path}/set/**/*.png")):
        with pytest.raises(InputError, match="c: links back to a folder above it"):
            search()


def test_a_link_that_leads_nowhere_but_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "d").symlink_to("d")
    with pytest.raises(InputError, match=r"set/d: cannot be read \(Too many levels of symbolic links\)"):
        list(walk(tmp_path / "set"))


@pytest.mark.parametrize("text", ["", "a/b/", "./x", "/", "no/such/*", "no/such/**", "\x00", "x" * 5000, "**/" * 30])
def test_a_pattern_that_matches_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert match_pattern(text) == []


def test_a_path_is_found_in_either_normalisation(tmp_path: Path) -> None:
    folder = tmp_path / normalize("NFD", "Größe")
    folder.mkdir()
    existing = folder / normalize("NFC", "büs.png")
    existing.touch()
    for outer in ("NFC", "NFD"):
        for inner in ("NFC", "NFD"):
            assert path_on_disk(tmp_path / normalize(outer, "Größe") / normalize(inner, "büs.png")) == existing
    assert path_on_disk(tmp_path / "Größe" / "bus.png") is None
    assert path_on_disk(tmp_path / "gone") is None
