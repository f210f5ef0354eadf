"""Commands that a command or page recommends: complete, so that they run as printed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from convworks.commands import repeated
from convworks.data.column import files_of
from convworks.data.source import Split
from convworks.data.sources.named import CATALOGUE


def predict_command(bundle: str | Path, split: Split, options: str = "") -> str:
    """Return the command that predicts the first image of a split; empty if its images are not files of their own."""
    files = (file for file in files_of(split.inputs) if isinstance(file, Path) and str(file).isprintable())
    file = next(files, None)
    return "" if file is None else f"{repeated(['predict', bundle, nearby(file)], {})}{options}"


def evaluate_command(bundles: Sequence[str | Path], data: str | Path, out: Path | None = None) -> str:
    """Return the command that evaluates a bundle, or an ensemble, on a source, with a report in `out`."""
    return repeated(["evaluate", *bundles], {"--data": nearby(data), "--out": out})


def nearby(path: str | Path) -> str:
    """Return an absolute path relative to the working folder, if it lies in it; anything else as it is.

    A folder named as a known data set is written ./NAME, which that name would not be taken for.
    """
    text, here = str(path), f"{os.getcwd()}{os.sep}"
    near = text.removeprefix(here)
    return f"./{near}" if near != text and near in CATALOGUE else near or text


def errors_folder(bundle: str | Path) -> Path:
    """Return a new folder beside a bundle, or its run, for the report of an evaluation."""
    path = Path(bundle)
    base = path.parent if path.name == "bundle" and path.parent.name else path
    number = 1
    while (folder := base.with_name(f"{base.name}-errors{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    return folder


def without_out(command: str) -> str:
    """Return a command without its --out: the folder exists by now, and the default is a new one."""
    words = iter(shlex.split(command))
    kept = []
    for word in words:
        if word == "--out":
            next(words, None)
        elif not word.startswith("--out="):
            kept.append(word)
    return shlex.join(kept)
