"""Prediction of any number of files, written into a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.work import (
    Computed,
    Opened,
    Work,
    answering_of,
    check_rows,
    check_work,
    open_work,
    runtimes,
)
from convworks.bundle.pretrained import locate
from convworks.cluster import RAY
from convworks.console import downloading
from convworks.data.listing.find import find
from convworks.data.listing.listing import Listing
from convworks.deploy.runtimes import AUTO
from convworks.errors import InputError, brief
from convworks.files import expand, path_of
from convworks.inference.combination import PROBABILITY
from convworks.inference.protocol import CENTER
from convworks.outputs import check_file
from convworks.signed import digest

if TYPE_CHECKING:
    from convworks.inference.bulk.answered import Answer
    from convworks.inference.bulk.scorer import Scorer
    from convworks.inference.bulk.shard import Shard
    from convworks.inference.bulk.write import Written

Name = str | PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Into:
    """The file of the answers, and how it is written."""

    out: Path
    shard: Shard
    resume: bool = False
    overwrite: bool = False
    skip_damaged: bool = False
    workers: str | None = None


def check_into(into: Into, work: Work, files: Listing) -> Into:
    """Return how the file is written; InputError for one that cannot or must not be written."""
    from convworks.inference.bulk.formats import FORMATS, PARQUET, WITH_CLASSES
    from convworks.inference.bulk.unfinished import check_begun, may_replace

    out = into.out
    if work.probabilities and out.suffix.lower() in set(FORMATS) - set(WITH_CLASSES):
        remedy = f"name a {' or '.join(WITH_CLASSES)} file"
        raise InputError("--probabilities", "is for the columns of a table of classes", remedy)
    if into.workers not in (None, RAY):
        reason = f"is {into.workers!r}, but a process predicts with all processors"
        raise InputError("--workers", reason, "give ray, or leave it out")
    record = check_begun(out, resume=into.resume, overwrite=into.overwrite)
    overwrite = into.overwrite or may_replace(record)
    check_file("--out", out, files.protected() + work.protected(), suffixes=FORMATS, overwrite=overwrite)
    if out.suffix.lower() == PARQUET:
        from convworks.data.sources.row import arrow

        arrow(out)
    return replace(into, overwrite=overwrite)


def write(work: Work, descriptions: Sequence[dict[str, Any]], files: Listing, into: Into) -> tuple[Opened, Written]:
    """Predict files into a file; see `predict_to`."""
    from convworks.inference.bulk.unfinished import recorded
    from convworks.inference.bulk.write import write_answers

    record = recorded(into.out) if into.resume else None
    asked = (work.runtime in (None, AUTO), work.precision == AUTO)
    before = record["job"]["runtime"] if record is not None and all(asked) else []
    if len(before) != len(work.bundles):
        before = []
    opened = open_work(work, len(files), [tuple(each) for each in before])
    job = {
        "bundles": [digest(description) for description in descriptions],
        "images": files.identity(),
        **work.options(descriptions),
        "runtime": [list(each) for each in opened.computed],
    }
    compute = None
    if into.workers == RAY:
        from convworks.inference.bulk.cluster import answered_on_ray

        on_machine = partial(_open_on_machine, work, len(files), opened.computed)
        compute = partial(answered_on_ray, on_machine, files, size=opened.scorer.batch)
    written = write_answers(
        into.out,
        files,
        opened.scorer,
        opened.answer,
        job=job,
        classes=opened.classes if work.probabilities else None,
        shard=into.shard,
        resume=into.resume,
        overwrite=into.overwrite,
        skip_damaged=into.skip_damaged,
        compute=compute,
    )
    return opened, written


def _open_on_machine(work: Work, count: int, computed: Sequence[Computed]) -> tuple[Scorer, Answer]:
    opened = open_work(work, count, computed)
    return opened.scorer, opened.answer


def values_of(opened: Opened, written: Written, into: Into) -> dict[str, Any]:
    """Return what was written, in plain values."""
    return {
        "out": str(into.out),
        "rows": written.rows,
        "resumed": written.earlier,
        "failed": written.failed,
        "errors": list(written.errors),
        **runtimes(opened.choices),
    }


@brief
def predict_to(
    bundle: Name | Sequence[Name],
    sources: Name | Sequence[Name],
    out: Name,
    *,
    top: int | None = None,
    threshold: float | None = None,
    probabilities: bool = False,
    protocol: str = CENTER,
    combine: str = PROBABILITY,
    shard: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    skip_damaged: bool = False,
    workers: str | None = None,
    max_pixels: int | None = None,
    runtime: str | None = None,
    device: str = AUTO,
    precision: str = AUTO,
) -> dict[str, Any]:
    """Predict the images of any number of files into a .csv, .jsonl or .parquet file, as they come, in their order.

    `bundle` is a bundle, a run or an exported file, or several, which form an ensemble. `sources` are images, folders,
    patterns, tar shards, the index of shards or its address (docs/production.md). A file that fails has a row with the
    column `error`. `shard` "3/16" predicts the third of 16 parts, which together are the whole. With `resume`, rows of
    an earlier process that ended too soon are kept, if it did the same; the file is then the same byte for byte. A
    record beside it, x.csv.job.json, lets the same call find it finished.
    `workers` "ray" computes on a running Ray cluster.

    Returns {"out", "rows", "resumed", "failed", "errors", "runtime", "seconds"}; `errors` are the first ten. Raises
    InputError for wrong input, and if all files fail, unless `skip_damaged`; RunError for a server without response.
    """
    from convworks.inference.bulk.shard import parse_shard

    started = time.perf_counter()
    paths = tuple([locate(path_of(str(path)), downloading()) for path in _several(bundle)])
    work = Work(
        bundles=paths,
        top=top,
        threshold=threshold,
        probabilities=probabilities,
        protocol=protocol,
        combine=combine,
        max_pixels=max_pixels,
        runtime=runtime,
        device=device,
        precision=precision,
    )
    into = Into(
        out=path_of(str(out)),
        shard=parse_shard(shard),
        resume=resume,
        overwrite=overwrite,
        skip_damaged=skip_damaged,
        workers=workers,
    )
    descriptions = check_work(work)
    check_rows(answering_of(work, descriptions), paths[0])
    files = find([expand(str(source)) for source in _several(sources)])
    into = check_into(into, work, files)
    opened, written = write(work, descriptions, files, into)
    return {**values_of(opened, written, into), "seconds": round(time.perf_counter() - started, 3)}


def _several(names: Name | Sequence[Name]) -> list[Name]:
    return [names] if isinstance(names, str | PathLike) else list(names)
