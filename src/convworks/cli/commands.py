"""`convworks VERB ...`: the options of every command that has no module of its own (verbs.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer
from convworks.cli.help import COMPARE, LOOK, TRAIN, USE, Verbs
from convworks.cli.options import (
    Bundles,
    Debug,
    Device,
    Json,
    MaxPixels,
    Overwrite,
    Precision,
    Split,
    Threshold,
)
from convworks.cli.request import takes_request

app = typer.Typer(
    name="convworks",
    cls=Verbs,
    help="Train, evaluate, explain and ship convolutional networks.",
    epilog="`convworks train` alone trains on the embedded digits. `convworks VERB --help` lists its options.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(rich_help_panel=TRAIN)
@takes_request(
    "recipe model data epochs out resume finish device seed deterministic skip_damaged overrides",
    epochs=Annotated[str | None, typer.Option(metavar="N", help="Epochs to train; with --resume, +N trains N more.")],
    out=Annotated[
        Path | None,
        typer.Option(help="The run folder, new or empty.  [default: runs/RECIPE, or runs/DATA without a recipe]"),
    ],
    resume=Annotated[Path | None, typer.Option(help="Resume the run in this folder.")],
)
def train(
    request: RunRequest,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="With --resume: end a stopped run now, with a bundle of its complete epochs."),
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Train a network, by a recipe or on your own images."""
    from convworks.cli import train as command

    return command.run(request, finish=finish)


@app.command(rich_help_panel=USE)
def evaluate(
    bundles: Bundles,
    data: Annotated[str, typer.Option(help="A labelled source (any for an autoencoder): a name or a path.")],
    split: Split = None,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME...]",
            help="Views of each image: center, flip, shift, ten-crop, 144-crop, dense, multi-scale.",
        ),
    ] = "center",
    combine: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Ensembles: by probability, logit or vote.  [default: probability]"),
    ] = None,
    threshold: Threshold = None,
    slices: Annotated[
        Path | None,
        typer.Option(help="A CSV file with a column path, as in predictions.csv, and columns to slice by."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Report each value of this column separately.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write report, error analysis and predictions.csv into this new folder.")
    ] = None,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Measure a bundle or an ensemble on labelled images."""
    from convworks.cli.inference import evaluate as command

    return command.run(
        bundles,
        data=data,
        split=split,
        protocols=protocol.split(","),
        combination=combine,
        threshold=threshold,
        slices=slices,
        by=by,
        out=out,
        max_pixels=max_pixels,
        device=device,
        precision=precision,
    )


@app.command(rich_help_panel=USE)
def predict(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="The folder of a bundle or a run, or an exported file.")
    ],
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Images, folders (searched recursively) or glob patterns."),
    ],
    top: Annotated[int, typer.Option(min=1, help="Number of classes to list per image.")] = 5,
    threshold: Threshold = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write one column per class to the .csv file, named p:CLASS.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write predictions to this .csv or .jsonl file; reconstructions into this folder."),
    ] = None,
    max_pixels: MaxPixels = None,
    overwrite: Overwrite = False,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="torch, openvino, onnx, or auto: the fastest here, measured once.  [default: auto for many images]",
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Classify images, or reconstruct them with an autoencoder."""
    from convworks.cli.inference import predict as command

    return command.run(
        bundle,
        paths,
        top=top,
        threshold=threshold,
        probabilities=probabilities,
        out=out,
        overwrite=overwrite,
        max_pixels=max_pixels,
        runtime=runtime,
        device=device,
        precision=precision,
    )


@app.command(rich_help_panel=LOOK)
def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NETWORK", help="A network, to show its layers, its memory and its paper's table."),
    ] = None,
    input_size: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="Channels and size of the input.  [default: as published]"),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Number of classes.  [default: as published]")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Batch size for the memory estimate.  [default: 32]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table (.csv, .json) or a diagram (.svg, .png).")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List the networks, or show one layer by layer."""
    from convworks.cli.models import models as command

    return command.run(name, input_size=input_size, classes=classes, batch=batch, out=out, overwrite=overwrite)


@app.command(rich_help_panel=LOOK)
def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE", help="A recipe, such as mnist/fast; folder/default is what --data alone uses."
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Show the configuration for this source: a name or a path.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List the recipes, or show the configuration of one."""
    from convworks.cli import recipes as command

    return command.run(name, data=data)


@app.command(rich_help_panel=LOOK)
def data(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A name, a path, or the http(s) address of shards.")],
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the contact sheet (a PNG file).  "
            "[default: SOURCE-sheet.png, or with the next free number]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    pack: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the source as tar shards with an index into this new folder."),
    ] = None,
    shard_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="With --pack: maximum size of a shard.  [default: 1GB]")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            help="Show augmented training images of this recipe instead; folder/default is what --data alone uses.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of that recipe; may be repeated."),
    ] = None,
    max_pixels: MaxPixels = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Inspect a source: classes, sizes, damaged files, contact sheet.

    With --pack, write it as shards instead.
    """
    if pack is not None or shard_size is not None:
        from convworks.cli import pack as packing

        others = {
            "--sheet": sheet,
            "--overwrite": overwrite,
            "--augment": augment,
            "--set": overrides,
            "--max-pixels": max_pixels,
        }
        return packing.run(source, folder=pack, shard_size=shard_size, others=others)
    from convworks.cli import data as command

    return command.run(
        source, sheet=sheet, augment=augment, overrides=overrides or (), max_pixels=max_pixels, overwrite=overwrite
    )


@app.command(rich_help_panel=LOOK)
def cache(
    entry: Annotated[
        str | None, typer.Argument(metavar="ENTRY", help="The name of an entry, or its beginning.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all entries, or only ENTRY.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List the decoded images in the cache, or remove them."""
    from convworks.cli import cache as command

    return command.run(entry, clear=clear)


@app.command("filter", rich_help_panel=LOOK)
def filter_images(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Images, folders (searched recursively) or glob patterns. Without any, list the kernels.",
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(help='A name, a text file of numbers in rows, or numbers: "0 -1 0; -1 5 -1; 0 -1 0".'),
    ] = None,
    stride: Annotated[int, typer.Option(min=1, help="Stride, in pixels.")] = 1,
    padding: Annotated[
        str, typer.Option(help="Pixels added on each side: valid (none), same, full, or a number.")
    ] = "same",
    border: Annotated[
        str, typer.Option(help="What they hold: replicate (the nearest pixel), reflect or zeros.")
    ] = "replicate",
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for the results.  [default: filtered, or filtered-2, ... to replace nothing]"),
    ] = None,
    overwrite: Overwrite = False,
    values: Annotated[
        bool, typer.Option("--values", help="Also write the raw values: float32 [h, w, c], .npy.")
    ] = False,
    max_pixels: MaxPixels = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Apply a convolution kernel to images.

    The kernel is applied as written (not flipped), as in a convolution layer, to each channel separately.
    """
    from convworks.cli import filter as command

    return command.run(
        paths or [],
        kernel=kernel,
        stride=stride,
        padding=padding,
        border=border,
        out=out,
        overwrite=overwrite,
        values=values,
        max_pixels=max_pixels,
    )


@app.command(rich_help_panel=LOOK)
def doctor(as_json: Json = False, debug: Debug = False) -> Answer:
    """Show hardware and versions, and check the installation."""
    from convworks.cli import doctor as command

    return command.run()


@app.command("lr-range", rich_help_panel=TRAIN)
@takes_request("recipe data model lowest highest steps out overwrite device seed overrides")
def lr_range(
    request: RunRequest,
    lowest: Annotated[float, typer.Option("--from", help="Learning rate of the first step.")] = 1e-5,
    highest: Annotated[float, typer.Option("--to", help="Learning rate of the last step.")] = 10.0,
    steps: Annotated[int, typer.Option(help="Number of steps, one batch each.")] = 100,
    out: Annotated[
        Path | None,
        typer.Option(help="File for the curve (.png or .svg).  [default: lr-range.png, or lr-range-2.png, ...]"),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Find a learning rate by a range test (Smith 2017).

    The rate is raised step by step until the loss diverges.
    """
    from convworks.cli import lr_range as command

    return command.run(request, lowest=lowest, highest=highest, steps=steps, out=out, overwrite=overwrite)


@app.command(rich_help_panel=COMPARE)
def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Runs, or folders that contain runs.  [default: runs]"),
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help="Sort by this column: best or newest first, names alphabetically.")
    ] = "when",
    out: Annotated[Path | None, typer.Option(help="Draw the learning curves into this file (.png or .svg).")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List runs, or compare their curves and configurations."""
    from convworks.cli import runs as command

    return command.run(folders or [], sort=sort, out=out, overwrite=overwrite)
