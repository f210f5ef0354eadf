"""The files that a restoration writes, and those that belong to each picture. Nothing here imports torch."""

from __future__ import annotations

import os
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
    def files(self) -> list[Path]:
        """All but the checkpoint."""
        return [*self.pictures, self.curve, self.record]


def paths_of(folder: Path, name: str, samples: int) -> Paths:
    """Return the files of a picture with this name."""
    numbers = [""] if samples == 1 else [f"-{number}" for number in range(1, samples + 1)]
    return Paths(
        pictures=[folder / f"{name}{number}.png" for number in numbers],
        curve=folder / f"{name}-curve.csv",
        record=folder / f"{name}.json",
        state=folder / f"{name}.unfinished",
    )


def beside(option: str, path: Path | None, files: Sequence[Path]) -> list[Path | None]:
    """Return, for each picture, the file that an option names: itself, or in a folder the one of the same name.

    InputError for a folder without one, whatever its suffix.
    """
    if path is None or not os.path.isdir(path):
        return [path] * len(files)
    stems = {candidate.stem: candidate for candidate in sorted(path.iterdir())}
    for file in files:
        if file.stem not in stems:
            raise InputError(f"{option} {path}", f"has no file named as {file.name}", "add it, or restore the others")
    return [stems[file.stem] for file in files]
