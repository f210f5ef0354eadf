"""`convworks predict` for networks that name the class of every pixel: masks, overlays, and what they measure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.work import Work, runtimes
from convworks.bundle.description import is_exported
from convworks.cli.answer import Answer, percent, table
from convworks.cli.inference.following import following, new_file
from convworks.console import say
from convworks.data.listing.find import find, plain_files
from convworks.deploy.runtimes import AUTO
from convworks.errors import ConvworksError, InputError, counted, visible
from convworks.inference.combination import PROBABILITY
from convworks.inference.protocol import CENTER, named
from convworks.signed import digest

if TYPE_CHECKING:
    import numpy as np

    from convworks.cli.inference.mask_files import MaskFiles
    from convworks.deploy.runtimes import Choice
    from convworks.inference.map_ensemble import MapEnsemble
    from convworks.inference.maps import Mapper
    from convworks.inference.predictor import Predictor
    from convworks.inference.strips import Strips


def run(
    work: Work,
    paths: Sequence[str],
    *,
    out: Path | None,
    objects: bool,
    overwrite: bool,
    resume: bool,
    skip_damaged: bool,
    began: float,
    descriptions: Sequence[dict[str, Any]],
) -> Answer:
    """Segment every image that the paths name; with `out`, write masks."""
    found = find(paths)
    files, outputs, before = plain_files(found, "a network that segments"), None, None
    from convworks.cli.inference.mask_files import MaskFiles

    if out is not None:
        outputs = MaskFiles(
            out,
            files,
            found.protected() + work.protected(),
            probabilities=work.probabilities,
            objects=objects,
            overwrite=overwrite,
            resume=resume,
        )
        before = outputs.before()
    from convworks.deploy.runtimes import TORCH
    from convworks.hardware import precision_name
    from convworks.inference.bulk.write import no_answer
    from convworks.inference.maps import shrinking_note

    members, choices = _opened(work, len(files), before)
    if note := shrinking_note(files, members[0].bundle.preprocessing):
        say(note)
    result = _segmented(work, members, descriptions, files, outputs, found.identity())
    if result.failed == len(files):
        raise no_answer(result.errors[0], result.failed)
    lines = [
        as_table(result.rows) if out is None else f"{counted(len(files) - result.failed, 'mask')} written to {out}"
    ]
    if result.earlier:
        lines[0] += f", {result.earlier - result.failed + result.failed_now} of them before this run"
    lines += [choice.text for choice in choices if choice.runtime != TORCH or choice.rates]
    if result.failed:
        first = visible(f"{result.errors[0]['path']}: {result.errors[0]['error']}")
        lines.append(f"{result.failed:,} of {counted(len(files), 'image')} failed: {first}")
    options = {
        "--top": work.top,
        "--protocol": None if work.protocol == CENTER else work.protocol,
        "--combine": None if work.combine == PROBABILITY else work.combine,
        "--max-pixels": work.max_pixels,
        "--precision": None if work.precision == "auto" else work.precision,
        "--runtime": work.runtime,
    }
    lines.append(f"next: {following(work.bundles, paths, options, new_file('masks', '') if out is None else None)}")
    values = {
        "predictions": [row for row in result.rows if "error" not in row],
        "errors": list(result.errors),
        **runtimes(choices),
        "precision": precision_name(members[0].precision),
        "seconds": round(time.perf_counter() - began, 3),
        **({} if out is None else {"out": str(out), "resumed": result.earlier}),
    }
    return Answer(values=values, text="\n".join(lines), status=1 if result.failed and not skip_damaged else 0)


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """The answers of this process; how many images were done before it, how many failed in all, and why the first."""

    rows: Sequence[dict[str, Any]]
    failed: int
    errors: Sequence[Mapping[str, str]]
    earlier: int = 0

    @property
    def failed_now(self) -> int:
        """How many images failed in this process."""
        return sum("error" in row for row in self.rows)


def _opened(
    work: Work, count: int, before: Mapping[str, Any] | None
) -> tuple[tuple[Predictor, ...], tuple[Choice, ...]]:
    """Load the networks for so many images, computed as by the job that is resumed unless options say otherwise."""
    from convworks.deploy.choice import with_runtime
    from convworks.inference.load import load

    chosen = work.runtime not in (None, AUTO) or work.precision != AUTO or any(map(is_exported, work.bundles))
    known = before["job"].get("runtime", []) if before is not None and not chosen else []
    if len(known) != len(work.bundles):
        known = [(work.runtime, work.precision, "")] * len(work.bundles)
    members, choices = [], []
    for path, (runtime, precision, _) in zip(work.bundles, known, strict=True):
        loaded = load(path, device=work.device, precision=precision, max_pixels=work.max_pixels)
        member, choice = with_runtime(loaded, runtime, count)
        members.append(member)
        choices.append(choice)
    return tuple(members), tuple(choices)


def _segmented(
    work: Work,
    members: Sequence[Predictor],
    descriptions: Sequence[dict[str, Any]],
    files: Sequence[Path],
    outputs: MaskFiles | None,
    identity: str,
) -> Segmented:
    """Segment images; with `outputs`, write masks and tables, or what is missing of a job that was begun."""
    from convworks.cli.inference.mask_files import begun, is_done
    from convworks.hardware import precision_name
    from convworks.inference.bulk.write import no_answer

    predictor, mapper = members[0], _mapper(members, work)
    if outputs is None:
        rows = [row for row, _ in segmented(predictor, mapper, files, None, work.top)]
        broken = [row for row in rows if "error" in row]
        return Segmented(rows=rows, failed=len(broken), errors=broken)
    job = {
        "bundles": [digest(description) for description in descriptions],
        "images": identity,
        **work.options(descriptions),
        "objects": outputs.objects,
        "runtime": [[each.runtime.name, precision_name(each.precision), each.runtime.device.type] for each in members],
    }
    if (record := is_done(outputs, job)) is not None:
        return Segmented(rows=(), failed=record["failed"], errors=record["errors"], earlier=record["rows"])
    with begun(outputs, predictor.classes, job) as progress:
        errors = list(progress.state.errors)
        for row, pixels in segmented(predictor, mapper, files, outputs, work.top, first=progress.earlier):
            progress.add(row, pixels)
            errors += [row] if "error" in row else []
        if progress.state.failed == len(files):
            progress.state.give_up()
            raise no_answer(errors[0], len(files))
    return Segmented(rows=progress.rows, failed=progress.state.failed, errors=errors, earlier=progress.earlier)


def _mapper(members: Sequence[Predictor], work: Work) -> Mapper | MapEnsemble:
    """Return what gives the maps of images, by one network or several."""
    from convworks.inference.map_ensemble import MapEnsemble

    mirrored = named(work.protocol).mirrored
    mappers = tuple([replace(member.mapper, mirrored=mirrored) for member in members])
    return mappers[0] if len(mappers) == 1 else MapEnsemble(members=mappers, combination=work.combine)


def segmented(
    predictor: Predictor,
    mapper: Mapper | MapEnsemble,
    files: Sequence[Path],
    outputs: MaskFiles | None,
    top: int | None,
    first: int = 0,
) -> Iterator[tuple[dict[str, Any], Sequence[int]]]:
    """Yield the answer for each image from the first on, without its mask, or its error, and the pixels of each class.

    With `outputs`, masks are written. The predictor, of an ensemble the first, says how the answers of the `mapper` are
    to be read.
    """
    from convworks.inference.objects import objects

    answer_of = predictor.answer(top=top)
    for index, (path, strips) in enumerate(_strips(mapper, files[first:], outputs), first):
        if strips is None:
            yield _streamed(predictor, mapper, path, outputs, index, top)
            continue
        try:
            mask, scores = _held(strips, outputs)
        except ConvworksError as error:
            yield {"path": str(path), "error": error.reason}, ()
            continue
        answer = answer_of(str(path), mask)
        del answer["mask"]
        if outputs is not None:
            outputs.write(index, path, mask, scores, predictor.bundle)
            answer["out"] = str(outputs.masks[index])
            if outputs.objects:
                answer["objects"] = objects(mask, predictor.classes)
        numbers = range(0 if outputs is None else len(predictor.classes))
        yield answer, [int((mask == number).sum()) for number in numbers]


def _strips(
    mapper: Mapper | MapEnsemble, files: Sequence[Path], outputs: MaskFiles | None
) -> Iterator[tuple[Path, Strips | InputError | None]]:
    """Yield what is kept of each image or its error, in order; None for an image that is too large to be held."""
    from convworks.inference.tiles import classes, probabilities

    finish = probabilities if outputs is not None and outputs.maps else classes
    whole: list[Path] = []
    for path in files:
        if not mapper.streams(path):
            whole.append(path)
            continue
        yield from mapper.each(whole, finish)
        whole = []
        yield path, None
    yield from mapper.each(whole, finish)


def _held(strips: Strips | InputError, outputs: MaskFiles | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the mask [h, w] of an image and, if they are written, its scores [k, h, w]; raises why there are none."""
    from convworks.inference.strips import as_scores
    from convworks.inference.tiles import classes

    if isinstance(strips, InputError):
        raise strips
    kept = strips.whole()
    if outputs is None or not outputs.maps:
        return kept, None
    scores = as_scores(kept)
    return classes(scores), scores.numpy()


def _streamed(
    predictor: Predictor,
    mapper: Mapper | MapEnsemble,
    path: Path,
    outputs: MaskFiles | None,
    index: int,
    top: int | None,
) -> tuple[dict[str, Any], Sequence[int]]:
    """Write the mask of a large image some rows at a time; return what `segmented` yields."""
    import numpy as np

    from convworks.data.decode.write_rows import writing_mask
    from convworks.data.inspect.overlay import palette
    from convworks.tasks.answering import areas as largest

    if outputs is not None and (outputs.objects or outputs.maps):
        reason = "is computed some rows at a time, but --objects and --probabilities need it whole; leave them out"
        return {"path": str(path), "error": reason}, ()
    counts, listed = np.zeros(len(predictor.classes), np.int64), predictor.task.top(top, predictor.classes)
    try:
        with mapper.rows(path) as strips, ExitStack() as stack:
            write, (height, width) = None, strips.size
            if outputs is not None:
                colours = [tuple(colour) for colour in palette(predictor.bundle.colours).tolist()]
                write = stack.enter_context(writing_mask(outputs.masks[index], height, width, colours)).write
            for rows in strips.rows:
                counts += np.bincount(rows.ravel(), minlength=len(counts))
                if write is not None:
                    write(rows)
    except ConvworksError as error:
        return {"path": str(path), "error": error.reason}, ()
    out = {"out": str(outputs.masks[index])} if outputs is not None else {}
    return {"path": str(path), **largest(counts, predictor.classes, listed), **out}, counts.tolist()


def as_table(rows: Sequence[dict[str, Any]]) -> str:
    """Tabulate the largest classes of each image."""
    lines = [
        [row["path"], *(f"{name} {percent(area)}" for name, area in zip(row["labels"], row["areas"], strict=True))]
        if "labels" in row
        else [row["path"], row["error"]]
        for row in rows
    ]
    width = max(map(len, lines))
    return table(["image", *map(str, range(1, width))], [line + [""] * (width - len(line)) for line in lines])
