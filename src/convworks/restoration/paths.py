"""The files that a restoration writes, and those that belong to each picture. Nothing here imports torch."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convworks.errors import InputError

PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The files of a picture: the restored one, or the samples; curve, record, and the folder of its checkpoint."""

    pictures: list[Path]
    curve: Path
    record: Path
    state: Path

    @property
    def replaced(self) -> Path:
        """Says that what was restored or begun here before is to be replaced, until there is a checkpoint."""
        return self.state / "replaced"

    @property
    def results(self) -> list[Path]:
        """What the record refers to."""
        return [*self.pictures, self.curve]

    @property
    def files(self) -> list[Path]:
        """All but the checkpoint."""
        return [*self.results, self.record]


def paths_of(folder: Path, name: str, samples: int) -> Paths:
    """Return the files of a picture with this name."""
    numbers = [""] if samples == 1 else [f"-{number}" for number in range(1, samples + 1)]
    return Paths(
        pictures=[folder / f"{name}{number}.png" for number in numbers],
        curve=folder / f"{name}-curve.csv",
        record=folder / f"{name}.json",
        state=folder / f"{name}.unfinished",
    )


def below_folder(file: Path, paths: Sequence[str]) -> Path:
    """Return where a picture is below the folder that was searched for it; its name, if it was named itself."""
    folders = [path for path in paths if os.path.isdir(path) and file.is_relative_to(path)]
    return file.relative_to(folders[0]) if folders else Path(file.name)


def beside(option: str, path: Path | None, files: Sequence[Path], below: Sequence[Path]) -> list[Path | None]:
    """Return, for each picture, the file that an option names: itself, or the one at the same place `below` a folder.

    Its suffix may be another one; a picture is no mask of itself. InputError for a folder without such a file, with
    several, or with one for pictures of different folders.
    """
    if path is None or not os.path.isdir(path):
        return [path] * len(files)
    stems: dict[str, list[Path]] = {}
    for folder in {folder for name in below for folder in _folders(path, name.parent)}:
        for candidate in sorted(folder.iterdir()):
            itself = option == "--mask" and any(_same(candidate, file) for file in files)
            if candidate.is_file() and not itself:
                stems.setdefault(_composed(candidate.with_suffix("")), []).append(candidate)
    where, first = f"{option} {path}", dict[Path, Path]()
    matches: list[Path | None] = []
    for file, name in zip(files, below, strict=True):
        match = _beside(where, name, stems.get(_composed((path / name).with_suffix("")), []))
        if (other := first.setdefault(match, file)).parent != file.parent:
            raise InputError(where, f"has {match.name} for both {other} and {file}", "restore them one by one")
        matches.append(match)
    return matches


def _folders(path: Path, below: Path) -> list[Path]:
    """Return the folders at a place below a folder: several, if they have the same name in different normal forms."""
    folders = [path]
    for part in below.parts:
        children = (child for folder in folders for child in folder.iterdir() if child.is_dir())
        folders = [child for child in children if _composed(child.name) == _composed(part)]
    return folders


def _composed(path: Path | str) -> str:
    """Return a path in one of the ways in which a file system, or an archive, may write the same umlauts."""
    return unicodedata.normalize("NFC", str(path))


def _same(candidate: Path, file: Path) -> bool:
    return candidate.name == file.name and candidate.samefile(file)


def _beside(where: str, name: Path, candidates: Sequence[Path]) -> Path:
    """Return which of the files of the same stem belongs to a picture: the only one, or that of the same suffix."""
    if not candidates:
        raise InputError(where, f"has no file named as {name}", "add it, or restore the others")
    same = [candidate for candidate in candidates if candidate.name == name.name]
    same = same or [candidate for candidate in candidates if candidate.suffix == name.suffix] or list(candidates)
    if len(same) > 1:
        names = " and ".join(candidate.name for candidate in same[:2])
        raise InputError(where, f"has both {names} for {name}", "leave one of them there")
    return same[0]
