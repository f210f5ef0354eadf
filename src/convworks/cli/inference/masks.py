"""`convworks predict` for networks that name the class of every pixel: masks, overlays, and what they measure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.work import TOP, Work, runtimes
from convworks.cli.answer import Answer, percent, table
from convworks.cli.inference.following import following, new_file
from convworks.cli.outputs import check_outputs, unique_names
from convworks.csv_files import write_csv
from convworks.data.listing.find import find, plain_files
from convworks.errors import ConvworksError, InputError, visible
from convworks.files import atomic
from convworks.inference.combination import PROBABILITY
from convworks.inference.protocol import CENTER, named
from convworks.outputs import Protected

if TYPE_CHECKING:
    import numpy as np

    from convworks.inference.map_ensemble import MapEnsemble
    from convworks.inference.maps import Mapper
    from convworks.inference.predictor import Predictor
    from convworks.inference.strips import Strips

#: The tables beside the masks.
AREAS, OBJECTS = "areas.csv", "objects.csv"


class MaskFiles:
    """The files that a prediction of masks writes below a folder; InputError if one of them may not be written."""

    def __init__(
        self, out: Path, files: Sequence[Path], read: Protected, *, probabilities: bool, objects: bool, overwrite: bool
    ) -> None:
        names = unique_names(files)
        self.out, self.objects = out, objects
        self.masks = [out / f"{name}.png" for name in names]
        self.overlays = [out / f"{name}-overlay.jpg" for name in names]
        self.maps = [out / f"{name}.npy" for name in names] if probabilities else []
        self.tables = [out / AREAS, *([out / OBJECTS] if objects else [])]
        check_outputs(out, [*self.masks, *self.overlays, *self.maps, *self.tables], read, overwrite=overwrite)


def run(
    work: Work,
    paths: Sequence[str],
    *,
    out: Path | None,
    objects: bool,
    overwrite: bool,
    skip_damaged: bool,
    began: float,
) -> Answer:
    """Segment every image that the paths name; with `out`, write masks."""
    found = find(paths)
    files, outputs = plain_files(found, "a network that segments"), None
    if out is not None:
        read = found.protected() + work.protected()
        outputs = MaskFiles(out, files, read, probabilities=work.probabilities, objects=objects, overwrite=overwrite)
    from convworks.deploy.choice import with_runtime
    from convworks.deploy.runtimes import TORCH
    from convworks.hardware import precision_name
    from convworks.inference.bulk.write import no_answer
    from convworks.inference.load import load

    loaded = [
        load(path, device=work.device, precision=work.precision, max_pixels=work.max_pixels) for path in work.bundles
    ]
    members, choices = zip(*(with_runtime(each, work.runtime, len(files)) for each in loaded), strict=True)
    predictor = members[0]
    rows = list(segmented(predictor, _mapper(members, work), files, outputs, work.top))
    broken = [row for row in rows if "error" in row]
    if len(broken) == len(rows):
        raise no_answer(broken[0], len(broken))
    done = len(rows) - len(broken)
    lines = [as_table(rows) if out is None else f"{done} {'mask' if done == 1 else 'masks'} written to {out}"]
    lines += [choice.text for choice in choices if choice.runtime != TORCH or choice.rates]
    if broken:
        first = visible(f"{broken[0]['path']}: {broken[0]['error']}")
        lines.append(f"{len(broken)} of {len(rows)} images failed: {first}")
    options = {
        "--top": None if work.top == TOP else work.top,
        "--protocol": None if work.protocol == CENTER else work.protocol,
        "--combine": None if work.combine == PROBABILITY else work.combine,
        "--max-pixels": work.max_pixels,
        "--precision": None if work.precision == "auto" else work.precision,
        "--runtime": work.runtime,
    }
    lines.append(f"next: {following(work.bundles, paths, options, new_file('masks', '') if out is None else None)}")
    values = {
        "predictions": [row for row in rows if "error" not in row],
        "errors": broken,
        **runtimes(choices),
        "precision": precision_name(predictor.precision),
        "seconds": round(time.perf_counter() - began, 3),
        **({} if out is None else {"out": str(out)}),
    }
    return Answer(values=values, text="\n".join(lines), status=1 if broken and not skip_damaged else 0)


def _mapper(members: Sequence[Predictor], work: Work) -> Mapper | MapEnsemble:
    """Return what gives the maps of images, by one network or several."""
    from convworks.inference.map_ensemble import MapEnsemble

    mirrored = named(work.protocol).mirrored
    mappers = tuple([replace(member.mapper, mirrored=mirrored) for member in members])
    return mappers[0] if len(mappers) == 1 else MapEnsemble(members=mappers, combination=work.combine)


def segmented(
    predictor: Predictor, mapper: Mapper | MapEnsemble, files: Sequence[Path], outputs: MaskFiles | None, top: int
) -> Iterator[dict[str, Any]]:
    """Yield the answer for each image, without its mask, or its error; with `outputs`, write masks and tables.

    The predictor, of an ensemble the first, says how the answers of the `mapper` are to be read.
    """
    from convworks.inference.objects import COLUMNS, objects

    areas: list[list[Any]] = []
    regions: list[list[Any]] = []
    for index, (path, strips) in enumerate(_strips(mapper, files, outputs)):
        if strips is None:
            yield _streamed(predictor, mapper, path, outputs, index, top, areas)
            continue
        try:
            mask, scores = _held(strips, outputs)
        except ConvworksError as error:
            yield {"path": str(path), "error": error.reason}
            continue
        answer = predictor.task.answer(str(path), mask, predictor.classes, top)
        del answer["mask"]
        if outputs is not None:
            _write(outputs, index, path, mask, scores, predictor)
            answer["out"] = str(outputs.masks[index])
            counts = [int((mask == number).sum()) for number in range(len(predictor.classes))]
            areas += [
                [str(path), *row]
                for row in zip(predictor.classes, counts, [n / mask.size for n in counts], strict=True)
            ]
            if outputs.objects:
                answer["objects"] = objects(mask, predictor.classes)
                regions += [[str(path), *each.values()] for each in answer["objects"]]
        yield answer
    if outputs is not None and areas:
        write_csv(outputs.tables[0], ("path", "class", "pixels", "fraction"), areas)
        if outputs.objects:
            write_csv(outputs.tables[1], ("path", *COLUMNS), regions)


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
    top: int,
    areas: list[list[Any]],
) -> dict[str, Any]:
    """Write the mask of a large image some rows at a time, without what needs it whole; return the answer."""
    import numpy as np

    from convworks.data.decode.write_rows import writing_mask
    from convworks.data.inspect.overlay import palette
    from convworks.tasks.answering import areas as largest

    if outputs is not None and (outputs.objects or outputs.maps):
        reason = "is computed some rows at a time, but --objects and --probabilities need it whole; leave them out"
        return {"path": str(path), "error": reason}
    counts = np.zeros(len(predictor.classes), np.int64)
    try:
        with mapper.rows(path) as strips, ExitStack() as stack:
            write, (height, width) = None, strips.size
            if outputs is not None:
                outputs.out.mkdir(parents=True, exist_ok=True)
                colours = [tuple(colour) for colour in palette().tolist()]
                write = stack.enter_context(writing_mask(outputs.masks[index], height, width, colours)).write
            for rows in strips.rows:
                counts += np.bincount(rows.ravel(), minlength=len(counts))
                if write is not None:
                    write(rows)
    except ConvworksError as error:
        return {"path": str(path), "error": error.reason}
    shares = (counts / counts.sum()).tolist()
    areas += [[str(path), *row] for row in zip(predictor.classes, counts.tolist(), shares, strict=True)]
    out = {"out": str(outputs.masks[index])} if outputs is not None else {}
    return {"path": str(path), **largest(counts, predictor.classes, top), **out}


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


def _write(
    outputs: MaskFiles, index: int, path: Path, mask: np.ndarray, scores: np.ndarray | None, predictor: Predictor
) -> None:
    """Write the files of one image."""
    import numpy as np
    from PIL import Image

    from convworks.data.decode.decode import read
    from convworks.data.inspect.overlay import as_png, overlay

    outputs.out.mkdir(parents=True, exist_ok=True)
    with atomic(outputs.masks[index]) as file:
        as_png(mask).save(file, "PNG", optimize=True)
    preprocessing = predictor.bundle.preprocessing
    image = read(path, channels=preprocessing.channels, decoding=preprocessing.decoding).pixels
    with atomic(outputs.overlays[index]) as file:
        Image.fromarray(overlay(image, mask)).save(file, "JPEG", quality=90)
    if scores is not None:
        with atomic(outputs.maps[index]) as file:
            np.save(file, scores, allow_pickle=False)
