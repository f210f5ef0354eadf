"""`convworks predict`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from convworks.api.predict import (
    CENTER,
    PROBABILITY,
    Into,
    Opened,
    Work,
    check_into,
    check_work,
    open_work,
    runtimes,
    values_of,
    write,
)
from convworks.bundle.description import RUN_RECORD
from convworks.bundle.pretrained import locate
from convworks.cli.answer import Answer, percent, repeated, table
from convworks.cli.outputs import check_outputs, unique_names
from convworks.console import downloading
from convworks.data.labels import SEPARATOR
from convworks.data.listing.find import find, plain_files
from convworks.data.listing.listing import Listing
from convworks.errors import InputError, visible
from convworks.files import atomic
from convworks.hardware import check_precision
from convworks.models import NAMES

TOP = 5  # classes that are listed by default
FEW = 8  # paths that fit into a recommended command
Row = dict[str, Any]


def run(
    bundle: Path,
    paths: Sequence[str],
    *,
    ensemble: Sequence[Path] = (),
    top: int,
    threshold: float | None = None,
    probabilities: bool = False,
    protocol: str = CENTER,
    combine: str | None = None,
    out: Path | None,
    overwrite: bool = False,
    resume: bool = False,
    shard: str | None = None,
    skip_damaged: bool = False,
    workers: str | None = None,
    max_pixels: int | None = None,
    runtime: str | None = None,
    device: str,
    precision: str,
) -> Answer:
    """Predict every image that the paths name; one that fails gets a row with the error, and status 1."""
    started = time.perf_counter()
    check_precision(precision)
    work = Work(
        bundles=tuple([locate(path, downloading()) for path in (bundle, *ensemble)]),
        top=top,
        threshold=threshold,
        probabilities=probabilities,
        protocol=protocol,
        combine=combine or PROBABILITY,
        max_pixels=max_pixels,
        runtime=runtime,
        device=device,
        precision=precision,
    )
    descriptions = check_work(work)
    from convworks.inference.bulk.shard import parse_shard
    from convworks.tasks.registry import named

    pictures = named(descriptions[0]["task"]["name"], str(work.bundles[0])).picture is not None
    part = parse_shard(shard)
    for_files = {"--resume": resume, "--shard": shard, "--workers": workers, "--probabilities": probabilities}
    if (pictures or out is None) and (idle := next((name for name, used in for_files.items() if used), None)):
        raise InputError(idle, "is for answers in a file", "leave it out" if pictures else "add --out FILE.csv")
    if overwrite and out is None:
        raise InputError("--overwrite", "needs an output file", "add --out FILE")
    files = find(paths)
    if out is None or pictures:
        opened, values, text = _at_once(work, files, out, pictures=pictures, overwrite=overwrite)
        failed, count = len(values["errors"]), len(files)
    else:
        into = Into(out=out, shard=part, resume=resume, overwrite=overwrite, skip_damaged=skip_damaged, workers=workers)
        into = check_into(into, work, files)
        opened, written = write(work, descriptions, files, into)
        values = values_of(opened, written, into)
        text = f"{written.rows} rows written to {out}"
        text += f", {written.earlier} of them before this run" if written.earlier else ""
        failed, count = written.failed, written.rows
    values |= {"precision": opened.computed[0][1], "seconds": round(time.perf_counter() - started, 3)}
    from convworks.deploy.choice import TORCH

    shown = [choice.text for choice in opened.choices if choice.runtime != TORCH or choice.rates]
    if failed:
        first = values["errors"][0]
        shown.append(f"{failed} of {count} images failed: " + visible(f"{first['path']}: {first['error']}"))
    options = {
        "--top": None if top == TOP else top,
        "--threshold": threshold,
        "--protocol": None if protocol == CENTER else protocol,
        "--combine": combine,
        "--max-pixels": max_pixels,
        "--precision": None if precision == "auto" else precision,
        "--runtime": runtime,
    }
    shown.append(f"next: {_next(work.bundles, paths, options, written=out is not None)}")
    return Answer(values=values, text="\n".join([text, *shown]), status=1 if failed and not skip_damaged else 0)


def _at_once(
    work: Work, files: Listing, out: Path | None, *, pictures: bool, overwrite: bool
) -> tuple[Opened, dict[str, Any], str]:
    """Return the answers for a few files as values and as a table; pictures are written."""
    from convworks.inference.bulk.answered import answered, batches_of
    from convworks.inference.bulk.write import no_answer

    outputs = _outputs(out, files, work, overwrite=overwrite) if pictures else []
    opened = open_work(work, len(files))
    batches = answered(opened.scorer, files, batches_of(files, opened.scorer.batch), opened.answer)
    answers = (row for rows in batches for row in rows)
    rows = list(_written(answers, outputs)) if pictures else list(answers)
    broken = [row for row in rows if "error" in row]
    if len(broken) == len(rows):
        raise no_answer(broken[0], len(broken))
    values = {
        "predictions": [row for row in rows if "error" not in row],
        "errors": broken,
        **runtimes(opened),
        **({"out": str(out)} if pictures else {}),
    }
    if not pictures:
        return opened, values, _as_table(rows)
    done = len(rows) - len(broken)
    return opened, values, f"{done} {'image' if done == 1 else 'images'} written to {out}"


def _next(bundles: Sequence[Path], paths: Sequence[str], options: dict[str, Any], *, written: bool) -> str:
    """Return the next command: to write these answers, to evaluate a run on its own source, or to show the network."""
    from convworks.report.next_step import errors_folder, nearby

    bundle, *others = bundles
    if not written and len(paths) <= FEW:
        members = [word for other in others for word in ("--ensemble", other)]
        return repeated(["predict", bundle, *paths, *members], options | {"--out": _new_file("predictions", ".csv")})
    run = bundle.parent if bundle.name == "bundle" else bundle
    if (run / RUN_RECORD).is_file():
        from convworks.training.folder import read_values

        data = read_values(run)["configuration"]["data"]["source"]
        evaluated = {name: value for name, value in options.items() if name not in ("--top", "--runtime")}
        return repeated(["evaluate", *bundles], {"--data": nearby(data), **evaluated, "--out": errors_folder(bundle)})
    from convworks.inference.exported.read import description_of

    name = description_of(bundle)["model"]["name"]
    return shlex.join(["convworks", "models", *([name] if name in NAMES else [])])


def _new_file(stem: str, suffix: str) -> str:
    """Return the name of a file that does not exist."""
    number = 1
    while Path(name := f"{stem}{'' if number == 1 else f'-{number}'}{suffix}").exists():
        number += 1
    return name


def _outputs(out: Path | None, files: Listing, work: Work, *, overwrite: bool) -> list[Path]:
    """Return the paths of the images that a network generates: OUT/NAME.png; InputError if one may not be written."""
    if out is None:
        raise InputError("--out", "is needed: this network outputs images", "name a folder: --out DIR")
    names = unique_names(plain_files(files, "a network that outputs images"))
    outputs = [out / f"{name}.png" for name in names]
    check_outputs(out, outputs, files.protected() + work.protected(), overwrite=overwrite)
    return outputs


def _written(answers: Iterable[Row], outputs: Sequence[Path]) -> Iterator[Row]:
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


def _as_table(rows: Sequence[Row]) -> str:
    ranked = ("path", "labels", "probabilities", "error")
    more = list(dict.fromkeys(name for row in rows for name in row if name not in ranked))
    lines = []
    for row in rows:
        answers = [
            f"{name} {percent(p)}" for name, p in zip(row.get("labels", ()), row.get("probabilities", ()), strict=True)
        ]
        lines.append([row["path"], *(_cell(row.get(name, "")) for name in more), *(answers or [row.get("error", "")])])
    width = max(len(line) for line in lines)
    header = ["image", *more]
    header += map(str, range(1, width - len(header) + 1))
    return table(header, [line + [""] * (width - len(line)) for line in lines])


def _cell(value: Any) -> Any:
    return SEPARATOR.join(value) if isinstance(value, list) else value
