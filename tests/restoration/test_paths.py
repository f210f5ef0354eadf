"""Masks and clean pictures in folders, beside the pictures that they belong to."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

import convworks
from convworks.restoration.paths import below_folder, beside


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a/1.png", "photos/b/1.png", "photos/2.png", "clean/a/1.png", "clean/b/1.tif", "clean/2.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def matches(files: list[str], paths: list[str]) -> list[str]:
    named = [Path(file) for file in files]
    below = [below_folder(file, paths) for file in named]
    return [str(match) for match in beside("--compare", Path("clean"), named, below)]


@pytest.mark.usefixtures("folders")
def test_a_searched_folder_and_that_of_the_others_have_the_same_subfolders() -> None:
    files = ["photos/2.png", "photos/a/1.png", "photos/b/1.png"]
    assert matches(files, ["photos"]) == ["clean/2.png", "clean/a/1.png", "clean/b/1.tif"]
    assert matches(files[:1], ["photos/2.png"]) == ["clean/2.png"]


@pytest.mark.usefixtures("folders")
def test_one_file_is_not_that_of_pictures_in_different_folders() -> None:
    Path("clean/1.png").touch()
    files = ["photos/a/1.png", "photos/b/1.png"]
    with pytest.raises(convworks.InputError, match=r"has 1.png for both photos/a/1.png and photos/b/1.png"):
        matches(files, files)


@pytest.mark.usefixtures("folders")
def test_umlauts_in_another_normal_form_are_the_same_name() -> None:
    """As archives of another system have them; each form has its own file if both are there."""
    composed, decomposed = (unicodedata.normalize(form, "ü.png") for form in ("NFC", "NFD"))
    (Path("clean") / composed).touch()
    for name in (composed, decomposed):
        assert matches([f"photos/{name}"], [f"photos/{name}"]) == [f"clean/{composed}"]
    (Path("clean") / decomposed).touch()
    for name in (composed, decomposed):
        assert matches([f"photos/{name}"], [f"photos/{name}"]) == [f"clean/{name}"]


@pytest.mark.usefixtures("folders")
def test_folders_in_another_normal_form_are_the_same_too() -> None:
    composed, decomposed = (unicodedata.normalize(form, "ü") for form in ("NFC", "NFD"))
    for path in (f"photos/{decomposed}/1.png", f"clean/{composed}/1.png"):
        Path(path).parent.mkdir()
        Path(path).touch()
    assert matches([f"photos/{decomposed}/1.png"], ["photos"]) == [f"clean/{composed}/1.png"]
