"""`convworks predict`."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from convworks.bundle.description import RUN_RECORD, folder_of, is_exported, read_description
from convworks.bundle.pretrained import locate
from convworks.cli.answer import Answer, percent, repeated, table
from convworks.cli.inference import masks
from convworks.cli.inference.images import find_images, no_answer
from convworks.cli.output_path import check_optional, failure
from convworks.cli.outputs import check_outputs, read_for, unique_names
from convworks.console import downloading
from convworks.csv_files import csv_text
from convworks.data.labels import SEPARATOR
from convworks.errors import InputError, visible
from convworks.files import atomic, write_text
from convworks.hardware import check_precision, precision_name
from convworks.models import NAMES
from convworks.outputs import Protected

FORMATS = (".csv", ".jsonl")
TOP = 5  # classes that are listed by default
FEW = 8  # paths that fit into a recommended command


def run(
    bundle: Path,
    paths: Sequence[str],
    *,
    top: int,
    threshold: float | None = None,
    probabilities: bool = False,
    objects: bool = False,
    out: Path | None,
    overwrite: bool = False,
    max_pixels: int | None = None,
    runtime: str | None = None,
    device: str,
    precision: str,
) -> Answer:
    """Predict every image that the paths name; one that fails gets a row with the error, and status 1."""
    started = time.perf_counter()
    check_precision(precision)
    bundle = locate(bundle, downloading())
    name = _description(bundle)["task"]["name"]
    files = find_images(paths)
    kept = Protected(files=([bundle],)) if is_exported(bundle) else Protected(folders=(folder_of(bundle),))
    read = read_for(paths, files) + kept
    from convworks.tasks.registry import named

    task = named(name, str(bundle)).at(threshold)
    pictures, masked = task.picture is not None, task.mask is not None
    masks.check_options(out, masks=masked, objects=objects, probabilities=probabilities, overwrite=overwrite)
    segmented: masks.MaskFiles | None = None
    if probabilities and not masked and (pictures or out is None or out.suffix.lower() != ".csv"):
        remedy = "leave it out" if pictures else "add --out FILE.csv"
        raise InputError("--probabilities", "is for the columns of a .csv file of classes", remedy)
    if pictures:
        outputs = _outputs(out, files, read, overwrite=overwrite)
    elif masked:
        if out is not None:
            segmented = masks.MaskFiles(
                out, files, read, probabilities=probabilities, objects=objects, overwrite=overwrite
            )
    else:
        check_optional("--out", out, read, suffixes=FORMATS, overwrite=overwrite)
    from convworks.deploy.choice import TORCH, check_runtime, with_runtime
    from convworks.inference.predictor import load

    check_runtime(runtime)
    loaded = load(bundle, device=device, precision=precision, max_pixels=max_pixels)
    predictor, choice = with_runtime(loaded, runtime, len(files))
    if masked:
        rows = list(masks.answered(predictor, files, segmented, top))
    else:
        listed = len(predictor.classes) if probabilities else top
        answers = predictor.predict_files(files, top=listed, threshold=threshold)
        rows = list(_written(answers, outputs)) if pictures else list(answers)
    broken = [row for row in rows if "error" in row]
    if len(broken) == len(rows):
        raise no_answer(broken)
    error = None
    in_folder = pictures or masked
    if out is not None and not in_folder:
        if out.suffix.lower() != ".csv":
            content = _as_json_lines(rows)
        else:
            content = _class_columns(rows, predictor.classes) if probabilities else _as_csv(rows)
        error = failure(partial(write_text, out, content))
    written = out is not None and error is None
    values = {
        "predictions": [row for row in rows if "error" not in row],
        "errors": broken,
        "precision": precision_name(predictor.precision),
        "runtime": {"name": choice.runtime, "why": choice.why, "rates": choice.rates},
        "seconds": round(time.perf_counter() - started, 3),
        **({"out": str(out)} if written else {}),
    }
    done = len(rows) - len(broken)
    if in_folder and out is not None:
        what = "mask" if masked else "image"
        text = f"{done} {what if done == 1 else f'{what}s'} written to {out}"
    elif masked:
        text = masks.as_table(rows)
    else:
        text = f"{len(rows)} rows written to {out}" if written else _as_table(rows)
    if choice.runtime != TORCH or choice.rates:
        text += f"\n{choice.text}"
    if broken:
        first = visible(f"{broken[0]['path']}: {broken[0]['error']}")
        text += f"\n{len(broken)} of {len(rows)} images failed: {first}"
    options = {
        "--top": None if top == TOP else top,
        "--threshold": threshold,
        "--max-pixels": max_pixels,
        "--precision": None if precision == "auto" else precision,
        "--runtime": runtime,
    }
    file = _new_file("masks", "") if masked else _new_file("predictions", ".csv")
    text += f"\nnext: {_next(bundle, paths, options, '' if written or pictures else file)}"
    return Answer(values=values, text=text, status=1 if broken else 0, error=error)


def _description(bundle: Path) -> dict[str, Any]:
    """Return what a bundle or an exported file says of its network."""
    if is_exported(bundle):
        from convworks.inference.exported.read import read_exported

        return read_exported(bundle).description
    return read_description(bundle)[0]


def _next(bundle: Path, paths: Sequence[str], options: dict[str, Any], file: str) -> str:
    """Return the next command: to write these answers into `file`, to evaluate a run, or to show the network."""
    from convworks.report.next_step import errors_folder, nearby

    if file and len(paths) <= FEW:
        return repeated(["predict", bundle, *paths], options | {"--out": file})
    run = bundle.parent if bundle.name == "bundle" else bundle
    if (run / RUN_RECORD).is_file():
        from convworks.training.folder import read_values

        data = read_values(run)["configuration"]["data"]["source"]
        evaluated = {name: value for name, value in options.items() if name not in ("--top", "--runtime")}
        return repeated(["evaluate", bundle], {"--data": nearby(data), **evaluated, "--out": errors_folder(bundle)})
    name = _description(bundle)["model"]["name"]
    return shlex.join(["convworks", "models", *([name] if name in NAMES else [])])


def _new_file(stem: str, suffix: str) -> str:
    """Return the name of a file that does not exist."""
    number = 1
    while Path(name := f"{stem}{'' if number == 1 else f'-{number}'}{suffix}").exists():
        number += 1
    return name


def _outputs(out: Path | None, files: Sequence[Path], read: Protected, *, overwrite: bool) -> list[Path]:
    """Return the paths of the images that a network generates: OUT/NAME.png; InputError if one may not be written."""
    if out is None:
        raise InputError("--out", "is needed: this network outputs images", "name a folder: --out DIR")
    outputs = [out / f"{name}.png" for name in unique_names(files)]
    check_outputs(out, outputs, read, overwrite=overwrite)
    return outputs


def _written(answers: Iterable[dict[str, Any]], outputs: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Write the image of each answer; yield its path, or the answer of an input that failed."""
    import numpy as np
    from PIL import Image

    for answer, output in zip(answers, outputs, strict=True):
        if "error" in answer:
            yield answer
            continue
        output.parent.mkdir(parents=True, exist_ok=True)
        image = answer["image"]
        with atomic(output) as file:
            Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else np.ascontiguousarray(image)).save(file, "PNG")
        yield {"path": answer["path"], "out": str(output)}


def _as_table(rows: Sequence[dict[str, Any]]) -> str:
    lines, more = [], _more(rows)
    for row in rows:
        answers = [
            f"{name} {percent(p)}" for name, p in zip(row.get("labels", ()), row.get("probabilities", ()), strict=True)
        ]
        lines.append([row["path"], *(_cell(row.get(name, "")) for name in more), *(answers or [row.get("error", "")])])
    width = max(len(line) for line in lines)
    header = ["image", *more]
    header += map(str, range(1, width - len(header) + 1))
    return table(header, [line + [""] * (width - len(line)) for line in lines])


def _as_json_lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def _as_csv(rows: Sequence[dict[str, Any]]) -> str:
    ranks = range(1, max(len(row.get("labels", ())) for row in rows) + 1)
    more = _more(rows)
    header = ["path", *more, *(name for rank in ranks for name in (f"label{rank}", f"probability{rank}")), "error"]
    lines = []
    for row in rows:
        pairs = zip(row.get("labels", [""] * len(ranks)), row.get("probabilities", [""] * len(ranks)), strict=True)
        cells = [_cell(row.get(name, "")) for name in more]
        lines.append([row["path"], *cells, *(value for pair in pairs for value in pair), row.get("error", "")])
    return csv_text(header, lines)


def _class_columns(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> str:
    """Return path, label (or the predicted labels), and the probability of each class, as in predictions.csv."""
    more = _more(rows)
    lines = []
    for row in rows:
        by_class = dict(zip(row.get("labels", ()), row.get("probabilities", ()), strict=True))
        answer = [_cell(row.get(name, "")) for name in more] or [next(iter(by_class), "")]
        lines.append([row["path"], *answer, *(by_class.get(name, "") for name in classes), row.get("error", "")])
    return csv_text(["path", *(more or ["label"]), *(f"p:{name}" for name in classes), "error"], lines)


def _more(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the keys of answers besides the most probable classes, in their order."""
    ranked = ("path", "labels", "probabilities", "error")
    return list(dict.fromkeys(name for row in rows for name in row if name not in ranked))


def _cell(value: Any) -> Any:
    return SEPARATOR.join(value) if isinstance(value, list) else value
