"""Prediction of any number of files, written into a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.bundle.description import folder_of, is_exported, read_description
from convworks.bundle.pretrained import locate
from convworks.cluster import RAY
from convworks.console import downloading
from convworks.data.listing.find import find
from convworks.data.listing.listing import Listing
from convworks.errors import InputError, brief
from convworks.files import expand, path_of
from convworks.hardware import check_precision
from convworks.outputs import Protected, check_file
from convworks.signed import digest

if TYPE_CHECKING:
    from convworks.deploy.choice import Choice
    from convworks.inference.bulk.answered import Answer
    from convworks.inference.bulk.scorer import Scorer
    from convworks.inference.bulk.shard import Shard
    from convworks.inference.bulk.write import Written

Name = str | PathLike[str]
CENTER, PROBABILITY, AUTO = "center", "probability", "auto"
#: What computed a network: runtime, precision and kind of device.
Computed = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is predicted, and how: all but the files. Machines of a cluster get it as it is."""

    bundles: tuple[Path, ...]
    top: int = 5
    threshold: float | None = None
    probabilities: bool = False
    protocol: str = CENTER
    combine: str = PROBABILITY
    max_pixels: int | None = None
    runtime: str | None = None
    device: str = AUTO
    precision: str = AUTO

    def options(self) -> dict[str, Any]:
        """Return the options that rows depend on, besides those that say what computes."""
        names = ("top", "threshold", "probabilities", "protocol", "combine", "max_pixels")
        return {name: getattr(self, name) for name in names}

    def protected(self) -> Protected:
        """Return the files of the bundles, which must not be overwritten."""
        exported = [path for path in self.bundles if is_exported(path)]
        folders = tuple([folder_of(path) for path in self.bundles if not is_exported(path)])
        return Protected(folders=folders, files=(exported,))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Work that can begin: what scores files, what a score says, the classes, and what computes each network."""

    scorer: Scorer
    answer: Answer
    classes: tuple[str, ...]
    choices: tuple[Choice, ...]
    computed: tuple[Computed, ...]


def check_work(work: Work) -> list[dict[str, Any]]:
    """Return what the bundles say of themselves; InputError for options that do not fit them, or each other."""
    check_precision(work.precision)
    descriptions = [_description(path) for path in work.bundles]
    from convworks.deploy.choice import CONVERTED, check_runtime
    from convworks.inference.ensemble import VOTE, check_alike, check_combination
    from convworks.inference.protocol import named
    from convworks.tasks.registry import named as named_task

    check_combination(work.combine)
    check_alike(work.bundles, descriptions)
    if work.combine != PROBABILITY and len(work.bundles) == 1:
        raise InputError("--combine", "combines several bundles, but there is one", "leave it out")
    task = named_task(descriptions[0]["task"]["name"], str(work.bundles[0])).at(work.threshold)
    if work.threshold is not None and work.combine == VOTE:
        reason = "moves the threshold of one network, but each of these votes at its own"
        raise InputError("--threshold", reason, f"leave it out, or --combine {PROBABILITY}")
    if work.probabilities and not descriptions[0]["classes"]:
        raise InputError("--probabilities", f"is for classes, but this network {task.does}", "leave it out")
    if work.protocol != CENTER and task.outcome is None:
        raise InputError("--protocol", f"is for classifiers, but this network {task.does}", "leave it out")
    check_runtime(work.runtime)
    if named(work.protocol).dense and work.runtime in CONVERTED:
        reason = f"{work.protocol} needs the network in PyTorch, not in {work.runtime}"
        raise InputError("--protocol", reason, "leave out --runtime")
    return descriptions


def _description(path: Path) -> dict[str, Any]:
    if not is_exported(path):
        return read_description(path)[0]
    from convworks.inference.exported.read import read_exported

    return read_exported(path).description


def open_work(work: Work, count: int, computed: Sequence[Computed] = ()) -> Opened:
    """Load the networks for so many files; `computed` is what computes each, where it was chosen before."""
    from convworks.deploy.choice import TORCH, with_runtime
    from convworks.hardware import precision_name
    from convworks.inference.bulk.scorer import of_ensemble
    from convworks.inference.predictor import load
    from convworks.inference.protocol import named

    members, choices = [], []
    for number, path in enumerate(work.bundles):
        runtime, precision, _ = computed[number] if computed else (work.runtime, work.precision, "")
        if named(work.protocol).dense:
            runtime = TORCH
        loaded = load(path, device=work.device, precision=precision, max_pixels=work.max_pixels)
        member, choice = with_runtime(loaded, runtime, count)
        members.append(member)
        choices.append(choice)
    first = members[0]
    scorers = [member.scorer(work.protocol) for member in members]
    return Opened(
        scorer=of_ensemble(scorers, first.task.activation, work.combine),
        answer=first.answer(top=len(first.classes) if work.probabilities else work.top, threshold=work.threshold),
        classes=first.classes,
        choices=tuple(choices),
        computed=tuple(
            (member.runtime.name, precision_name(member.runtime.precision), member.runtime.device.type)
            for member in members
        ),
    )


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
    from convworks.inference.bulk.unfinished import begun
    from convworks.inference.bulk.write import write_answers

    record = begun(into.out) if into.resume else None
    asked = (work.runtime in (None, AUTO), work.precision == AUTO)
    before = record["job"]["runtime"] if record is not None and all(asked) else []
    if len(before) != len(work.bundles):
        before = []
    opened = open_work(work, len(files), [tuple(each) for each in before])
    job = {
        "bundles": [digest(description) for description in descriptions],
        "images": files.identity(),
        **work.options(),
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
        **runtimes(opened),
    }


def runtimes(opened: Opened) -> dict[str, Any]:
    """Return what computes the network, in plain values; for an ensemble, each of its networks too."""
    each = [{"name": choice.runtime, "why": choice.why, "rates": choice.rates} for choice in opened.choices]
    return {"runtime": each[0], **({"runtimes": each} if len(each) > 1 else {})}


@brief
def predict_to(
    bundle: Name | Sequence[Name],
    sources: Name | Sequence[Name],
    out: Name,
    *,
    top: int = 5,
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
    an earlier process that ended too soon are kept, if it did the same; the file is then the same byte for byte.
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
    files = find([expand(str(source)) for source in _several(sources)])
    into = check_into(into, work, files)
    opened, written = write(work, descriptions, files, into)
    return {**values_of(opened, written, into), "seconds": round(time.perf_counter() - started, 3)}


def _several(names: Name | Sequence[Name]) -> list[Name]:
    return [names] if isinstance(names, str | PathLike) else list(names)
