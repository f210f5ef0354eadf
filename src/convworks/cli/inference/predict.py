"""`convworks predict`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks.api.predict import Into, check_into, values_of, write
from convworks.api.work import Opened, Work, answering_of, check_work, open_work, runtimes
from convworks.bundle.pretrained import locate
from convworks.cli.answer import Answer, percent, table
from convworks.cli.inference import masks
from convworks.cli.inference.following import following, new_file
from convworks.cli.outputs import check_outputs, unique_names
from convworks.console import downloading
from convworks.data.labels import SEPARATOR
from convworks.data.listing.find import find, plain_files
from convworks.data.listing.listing import Listing
from convworks.deploy.runtimes import TORCH
from convworks.errors import InputError, counted, visible
from convworks.files import atomic
from convworks.hardware import check_precision
from convworks.inference.combination import PROBABILITY
from convworks.inference.protocol import CENTER
from convworks.tasks.answering import Answering, Picture

Row = dict[str, Any]


def run(
    bundle: Path,
    paths: Sequence[str],
    *,
    ensemble: Sequence[Path] = (),
    top: int | None,
    threshold: float | None = None,
    probabilities: bool = False,
    objects: bool = False,
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

    task, part = answering_of(work, descriptions), parse_shard(shard)
    of_tables = {"--resume": resume, "--shard": shard, "--workers": workers}
    _check_out(task, out, of_tables, probabilities=probabilities, objects=objects, overwrite=overwrite)
    if task.per_pixel:
        return masks.run(
            work,
            paths,
            out=out,
            objects=objects,
            overwrite=overwrite,
            resume=resume,
            skip_damaged=skip_damaged,
            began=started,
            descriptions=descriptions,
        )
    files = find(paths)
    if out is None or task.files:
        opened, values, text = _at_once(work, task.picture, files, out, overwrite=overwrite)
        failed, count = len(values["errors"]), len(files)
    else:
        into = Into(out=out, shard=part, resume=resume, overwrite=overwrite, skip_damaged=skip_damaged, workers=workers)
        into = check_into(into, work, files)
        opened, written = write(work, descriptions, files, into)
        values = values_of(opened, written, into)
        text = f"{counted(written.rows, 'row')} written to {out}"
        text += f", {written.earlier} of them before this run" if written.earlier else ""
        failed, count = written.failed, written.rows
    values |= {"precision": opened.computed[0][1], "seconds": round(time.perf_counter() - started, 3)}
    shown = [choice.text for choice in opened.choices if choice.runtime != TORCH or choice.rates]
    if failed:
        first = values["errors"][0]
        shown.append(
            f"{failed:,} of {counted(count, 'image')} failed: " + visible(f"{first['path']}: {first['error']}")
        )
    options = {
        "--top": top,
        "--threshold": threshold,
        "--protocol": None if protocol == CENTER else protocol,
        "--combine": combine,
        "--max-pixels": max_pixels,
        "--precision": None if precision == "auto" else precision,
        "--runtime": runtime,
    }
    file = new_file("predictions", ".csv") if out is None else None
    shown.append(f"next: {following(work.bundles, paths, options, file)}")
    return Answer(values=values, text="\n".join([text, *shown]), status=1 if failed and not skip_damaged else 0)


def _check_out(
    task: Answering,
    out: Path | None,
    of_tables: Mapping[str, Any],
    *,
    probabilities: bool,
    objects: bool,
    overwrite: bool,
) -> None:
    """Refuse options that do not fit what is written: a table (`of_tables`), files in a folder, or nothing."""
    from convworks.inference.bulk.formats import FORMATS

    if objects and not task.per_pixel:
        raise InputError("--objects", "is for networks that segment, but this one does not", "leave it out")
    of_masks = {"--objects": objects}
    if task.per_pixel:  # what is written into the folder has tables, too
        of_masks |= {"--probabilities": probabilities, "--resume": of_tables["--resume"]}
        of_tables = {name: value for name, value in of_tables.items() if name not in of_masks}
    else:
        of_tables = {**of_tables, "--probabilities": probabilities}
    used = next((name for name, value in of_tables.items() if value), None)
    if task.files and used:
        raise InputError(used, f"is for answers in a table, but this network writes {task.files}", "leave it out")
    if task.files and out is not None and out.suffix.lower() in FORMATS:
        reason = f"is named like a table, but {task.files} are files in a folder"
        raise InputError(f"--out {out}", reason, "name a folder")
    if out is not None:
        return
    if task.files and not task.per_pixel:
        raise InputError("--out", f"is needed: this network outputs {task.files}", "name a folder: --out DIR")
    if used:
        raise InputError(used, "is for answers in a file", "add --out FILE.csv")
    if option := next((name for name, value in of_masks.items() if value), None):
        raise InputError(option, "needs a folder for the masks", "add --out DIR")
    if overwrite:
        raise InputError("--overwrite", "needs an output file", "add --out DIR" if task.files else "add --out FILE")


def _at_once(
    work: Work, picture: Picture | None, files: Listing, out: Path | None, *, overwrite: bool
) -> tuple[Opened, dict[str, Any], str]:
    """Return the answers for a few files as values and as a table; pictures are written into the folder `out`."""
    from convworks.inference.bulk.answered import answered, batches_of
    from convworks.inference.bulk.write import no_answer

    outputs = _outputs(out, files, work, overwrite=overwrite) if out is not None else []
    opened = open_work(work, len(files))
    batches = answered(opened.scorer, files, batches_of(files, opened.scorer.batch), opened.answer)
    answers = (row for rows in batches for row in rows)
    rows = list(answers) if picture is None else list(_written(answers, picture, outputs))
    broken = [row for row in rows if "error" in row]
    if len(broken) == len(rows):
        raise no_answer(broken[0], len(broken))
    values = {
        "predictions": [row for row in rows if "error" not in row],
        "errors": broken,
        **runtimes(opened.choices),
        **({} if out is None else {"out": str(out)}),
    }
    if out is None:
        return opened, values, _as_table(rows)
    done = len(rows) - len(broken)
    return opened, values, f"{counted(done, 'image')} written to {out}"


def _outputs(out: Path, files: Listing, work: Work, *, overwrite: bool) -> list[Path]:
    """Return the paths of the images that a network generates: OUT/NAME.png; InputError if one may not be written."""
    names = unique_names(plain_files(files, "a network that outputs images"))
    outputs = [out / f"{name}.png" for name in names]
    check_outputs(out, outputs, files.protected() + work.protected(), overwrite=overwrite)
    return outputs


def _written(answers: Iterable[Row], picture: Picture, outputs: Sequence[Path]) -> Iterator[Row]:
    """Write the picture of each answer; yield its path, or the answer of an input that failed."""
    for answer, output in zip(answers, outputs, strict=True):
        if "error" in answer:
            yield answer
            continue
        output.parent.mkdir(parents=True, exist_ok=True)
        with atomic(output) as file:
            file.write(picture.png(answer[picture.name]))
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
