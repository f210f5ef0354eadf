"""`convworks visualise`: its options and its work."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import LOOK
from convworks.cli.options import Debug, Device, Json, MaxPixels, Overwrite, Split
from convworks.cli.outputs import check_outputs, free_folder, unique_names
from convworks.commands import repeated
from convworks.errors import InputError, visible
from convworks.explain.features.views.options import VIEWS, Options, check_options

DEFAULT = Path("visualised")


@app.command(rich_help_panel=LOOK)
def visualise(
    bundle: Annotated[
        str,
        typer.Argument(
            help="The folder of a bundle or a run, or published weights such as resnet50:imagenet.", metavar="BUNDLE"
        ),
    ],
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE", help="For maps, field, invert and history: images, folders or glob patterns."),
    ] = None,
    show: Annotated[str, typer.Option(metavar="VIEW", help=f"What to draw: {', '.join(VIEWS)}.")] = "kernels",
    tap: Annotated[
        str | None,
        typer.Option(
            metavar="TAP",
            help="The layer; `convworks models NAME` lists them.  [default: the last stage, of an ensemble that of its "
            "first member; kernels, gabor, history without images: the first convolution; embedding: before the last "
            "layer]",
        ),
    ] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="N[,N...]", help="Channels of the layer, from 0.  [default: the first]")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(metavar="ROW,COLUMN", help="For field: position on the map, from 0.  [default: the central one]"),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="For patches and embedding: a name or a path.")
    ] = None,
    split: Split = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="For maximise and invert.  [default: 256 and 400]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Random seed.  [default: 0]")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder for the pictures (.png, .svg) and their numbers (.npz).  [default: visualised, or "
            "visualised-2, ... to replace nothing]",
        ),
    ] = None,
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Show kernels, maps, patches, receptive fields, preferred images.

    Views: kernels, gabor (functions fitted to kernels), maximise (preferred images), maps, field, invert (of images),
    patches, embedding (of a source), history (kernels, or maps of images, at the checkpoints of a run).
    """
    began = time.perf_counter()
    options = Options(
        data=data,
        split=split,
        tap=tap,
        channels=_numbers("--channels", channels),
        unit=_numbers("--unit", unit),
        steps=steps,
        seed=seed,
    )
    check_options(show, options, images=bool(paths))
    from convworks.api.visualise import shown
    from convworks.bundle.description import folder_of
    from convworks.console import downloading
    from convworks.data.listing.find import find, plain_files
    from convworks.data.protect import protect
    from convworks.data.sources.open import open_source
    from convworks.outputs import Protected

    source = None if data is None else open_source(data, report=downloading())
    listing = find(paths) if paths else None
    files = plain_files(listing, "a view of images") if listing else []
    names = unique_names(files)
    stems = [f"{name}-{show}" for name in names] or [show]
    read = Protected(folders=(folder_of(Path(bundle)),))
    read += protect(source) if source else Protected()
    read += listing.protected() if listing else Protected()
    folder = free_folder(DEFAULT, lambda each: _paths(each, stems), overwrite=overwrite) if out is None else out
    check_outputs(folder, _paths(folder, stems), read, overwrite=overwrite)
    views = shown(
        bundle,
        show,
        replace(options, data=source),
        images=files,
        names=names,
        device=device,
        max_pixels=max_pixels,
    )
    rows, lines = _write(folder, views)
    answer = {"show": show, "out": str(folder), "results": rows, "seconds": round(time.perf_counter() - began, 3)}
    lines += [
        f"picture: {visible(rows[0]['picture'])}" + (", ..." if len(rows) > 1 else ""),
        _next(bundle, show, data, paths),
    ]
    return Answer(values=answer, text="\n".join(lines))


def _write(folder: Path, views: Iterator[Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Write each view as pictures and an archive of its numbers; return the rows of the answer, and its lines."""
    import numpy as np

    from convworks.charts.draw_file import write_drawing
    from convworks.files import write_bytes

    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    for each in views:
        folder.mkdir(parents=True, exist_ok=True)
        picture, vector, numbers = _paths(folder, [each.name])
        for path in (picture, vector):
            write_drawing(path, each.drawing)
        archive = io.BytesIO()
        np.savez(archive, **each.arrays)
        write_bytes(numbers, archive.getvalue())
        rows.append({**each.values, "picture": str(picture), "vector": str(vector), "numbers": str(numbers)})
        lines += each.lines
    return rows, lines


def _paths(folder: Path, stems: Sequence[str]) -> list[Path]:
    return [folder / f"{stem}{suffix}" for stem in stems for suffix in (".png", ".svg", ".npz")]


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of an option."""
    if text is None:
        return None
    try:
        return tuple([int(word) for word in text.split(",")])
    except ValueError:
        raise InputError(
            option, f"{text!r} is not a list of whole numbers", "separate them by commas: 0,3,12"
        ) from None


def _next(bundle: str, show: str, data: str | None, paths: Sequence[str] | None) -> str:
    """Return the line with the next command: the view after this one that needs the same, and works for any bundle."""
    views = list(VIEWS)
    needed = {"images": bool(paths), "data": data is not None}
    same = [
        name
        for name in views
        if name != "history" and all((each in VIEWS[name].needs) == present for each, present in needed.items())
    ]
    following = next((name for name in same if views.index(name) > views.index(show)), same[0])
    return f"next: {repeated(['visualise', bundle, *(paths or ())[:3]], {'--show': following, '--data': data})}"
