"""`convworks predict`."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from convworks.bundle.description import IMAGES, folder_of, read_description
from convworks.bundle.pretrained import locate
from convworks.cli.answer import Answer, percent, table
from convworks.cli.outputs import read_for
from convworks.cli.place import check_optional, failure
from convworks.console import downloading, say
from convworks.csv_files import csv_text
from convworks.data.formats import SUFFIXES
from convworks.data.sources.image_names import is_image, looks_like_image
from convworks.data.labels import SEPARATOR
from convworks.data.sources.left_out import line, reasons, remedy
from convworks.data.sources.walk import match_pattern, walk
from convworks.errors import ConvworksError, InputError, RunError, visible
from convworks.files import write_text
from convworks.hardware import check_precision, precision_name
from convworks.outputs import Protected

FORMATS = (".csv", ".jsonl")


def run(
    bundle: Path,
    paths: Sequence[str],
    *,
    top: int,
    out: Path | None,
    overwrite: bool = False,
    max_pixels: int | None = None,
    device: str,
    precision: str,
) -> Answer:
    """Classify every image that the paths lead to; one without an answer gets a row that says why, and status 1."""
    started = time.perf_counter()
    check_precision(precision)
    bundle = locate(bundle, downloading())
    if read_description(bundle)[0]["format"] == IMAGES:
        from convworks.cli import reconstruct

        return reconstruct.run(
            bundle,
            paths,
            find_images(paths),
            out=out,
            overwrite=overwrite,
            max_pixels=max_pixels,
            device=device,
            precision=precision,
        )
    files = find_images(paths)
    read = read_for(paths, files) + Protected(folders=(folder_of(bundle),))
    check_optional("--out", out, read, suffixes=FORMATS, overwrite=overwrite)
    from convworks.inference.predictor import load

    predictor = load(bundle, device=device, precision=precision, max_pixels=max_pixels)
    rows = list(predictor.predict_files(files, top=top))
    broken = [row for row in rows if "error" in row]
    if len(broken) == len(rows):
        raise no_answer(broken)
    error = None
    if out is not None:
        content = _as_csv(rows) if out.suffix.lower() == ".csv" else _as_json_lines(rows)
        error = failure(partial(write_text, out, content))
    written = out is not None and error is None
    values = {
        "predictions": [row for row in rows if "error" not in row],
        "errors": broken,
        "precision": precision_name(predictor.precision),
        "seconds": round(time.perf_counter() - started, 3),
        **({"out": str(out)} if written else {}),
    }
    text = f"{len(rows)} rows written to {out}" if written else _as_table(rows)
    if broken:
        first = visible(f"{broken[0]['path']}: {broken[0]['error']}")
        text += f"\n{len(broken)} of {len(rows)} images have no answer: {first}"
    text += f"\nnext: convworks evaluate {shlex.quote(str(bundle))} --data LABELLED_FOLDER"
    return Answer(values=values, text=text, status=1 if broken else 0, error=error)


def no_answer(broken: Sequence[dict[str, Any]]) -> ConvworksError:
    """Return the error of a command that has no answer to any image."""
    from convworks.inference.logits import NO_OVERFLOW, OVERFLOW

    first, more = broken[0], f" (and {len(broken) - 1} more without an answer)" if len(broken) > 1 else ""
    if first["error"] == OVERFLOW:
        return RunError(first["path"], OVERFLOW + more, NO_OVERFLOW)
    return InputError(first["path"], first["error"] + more, "give images that can be read")


def find_images(paths: Sequence[str]) -> list[Path]:
    """Return the image files that files, folders and patterns (data/sources/walk.py) name, without repetition, in order."""
    found: dict[Path, None] = {}
    for text in paths:
        if not text.strip():
            raise InputError("PATH", "is empty", "give an image, a folder or a pattern")
        path = Path(text)
        if os.path.isdir(path):
            names = sorted(walk(path))
            images = [path / name for name in names if is_image(name)]
            if not images:
                raise InputError(path, "holds no images", remedy(names, f"image files end in {', '.join(SUFFIXES)}"))
            if unread := [name for name in names if looks_like_image(name) and not is_image(name)]:
                say(line(text, reasons(unread)))
        elif os.path.lexists(path):
            images = [path]
        else:
            images = match_pattern(text)
            if not images:
                raise InputError(text, "no such file or folder, and no pattern that matches one", "check the path")
        found.update(dict.fromkeys(images))
    return list(found)


def _several(rows: Sequence[dict[str, Any]]) -> bool:
    """Say whether the answers name all classes that an image shows."""
    return any("predicted" in row for row in rows)


def _as_table(rows: Sequence[dict[str, Any]]) -> str:
    lines, several = [], _several(rows)
    for row in rows:
        answers = [
            f"{name} {percent(p)}" for name, p in zip(row.get("labels", ()), row.get("probabilities", ()), strict=True)
        ]
        shown = [SEPARATOR.join(row.get("predicted", ()))] if several else []
        lines.append([row["path"], *shown, *(answers or [row.get("error", "")])])
    width = max(len(line) for line in lines)
    header = ["image", *(["predicted"] if several else [])]
    header += map(str, range(1, width - len(header) + 1))
    return table(header, [line + [""] * (width - len(line)) for line in lines])


def _as_json_lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def _as_csv(rows: Sequence[dict[str, Any]]) -> str:
    ranks = range(1, max(len(row.get("labels", ())) for row in rows) + 1)
    several = _several(rows)
    more = ["predicted"] if several else []
    header = ["path", *more, *(name for rank in ranks for name in (f"label{rank}", f"probability{rank}")), "error"]
    lines = []
    for row in rows:
        pairs = zip(row.get("labels", [""] * len(ranks)), row.get("probabilities", [""] * len(ranks)), strict=True)
        predicted = [SEPARATOR.join(row.get("predicted", ()))] if several else []
        lines.append([row["path"], *predicted, *(value for pair in pairs for value in pair), row.get("error", "")])
    return csv_text(header, lines)
