"""`convworks predict`."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from convworks.bundle.description import IMAGES, folder_of, read_description
from convworks.bundle.pretrained import locate
from convworks.cli.answer import Answer, percent, table
from convworks.cli.inference.images import find_images, no_answer
from convworks.cli.outputs import read_for
from convworks.cli.place import check_optional, failure
from convworks.console import downloading
from convworks.csv_files import csv_text
from convworks.data.labels import SEPARATOR
from convworks.errors import visible
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
        from convworks.cli.inference import reconstruct

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
