"""The files that a command writes for each of many images: unique names, never those of the images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from convworks.outputs import Protected, check_folder, check_name, check_replaced, numbers


def unique_names(files: Sequence[Path], endings: Sequence[str] = ("",)) -> list[str]:
    """Return a name for each image: its stem; if that of another gives the same file, with folder, suffix or number.

    `endings` are what follows the name in each file that is written: x with -a-b is x-a with -b.
    """

    def outputs(text: str) -> set[str]:
        return {f"{text}{ending}".casefold() for ending in endings}

    choices = [_choices(file) for file in files]
    counts = Counter(output for texts in choices for output in set().union(*map(outputs, texts)))
    names = []
    for texts in choices:
        free = [text for text in texts if all(counts[output] == 1 for output in outputs(text))]
        number = 2
        while not free:
            text = f"{texts[-1]}-{number}"
            if not any(counts[output] for output in outputs(text)):
                free = [text]
                counts.update(outputs(text))
            number += 1
        names.append(free[0])
    return names


def check_outputs(out: Path, paths: Sequence[Path], protected: Protected, *, overwrite: bool) -> None:
    """Refuse a folder `out` that is a file or is protected, and paths in it that may not be written."""
    check_folder("--out", out, protected)
    for longest in sorted(paths, key=lambda path: len(os.fsencode(path.name)))[-1:]:
        check_name("--out", longest)
    check_replaced("--out", paths, protected, overwrite=overwrite)


def free_folder(default: Path, paths: Callable[[Path], Sequence[Path]], *, overwrite: bool) -> Path:
    """Return the first of x, x-2, x-3, ... in which the files of a command replace nothing, or x with `overwrite`."""
    return next(folder for folder in numbers(default) if overwrite or not any(map(os.path.lexists, paths(folder))))


def _choices(file: Path) -> tuple[str, str, str]:
    with_folder = f"{file.absolute().parent.name}-{file.stem}"
    return file.stem, with_folder, f"{with_folder}-{file.suffix[1:]}"
