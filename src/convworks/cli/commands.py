"""`convworks VERB ...`: the options of every command that has no module of its own (verbs.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer
from convworks.cli.options import Bundle, Bundles, Debug, Device, Json, MaxPixels, Overwrite, Precision, Split
from convworks.cli.request import takes_request

app = typer.Typer(
    name="convworks",
    help="Train, evaluate, explain and ship convolutional networks.",
    epilog="`convworks train` alone trains on the embedded digits. `convworks VERB --help` tells more.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
@takes_request(
    "recipe model data epochs out resume device seed deterministic skip_damaged overrides",
    epochs=Annotated[
        str | None, typer.Option(metavar="N", help="How often each image is seen; with --resume also +N, N times more.")
    ],
    out=Annotated[Path | None, typer.Option(help="The run folder, new or empty.  [default: runs/RECIPE]")],
    resume=Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")],
)
def train(request: RunRequest, as_json: Json = False, debug: Debug = False) -> Answer:
    """Train a network: on the embedded digits, by a recipe, or on your own images."""
    from convworks.cli import train as command

    return command.run(request)


@app.command()
def evaluate(
    bundles: Bundles,
    data: Annotated[str, typer.Option(help="A labelled source (for an autoencoder any): a name or a path.")],
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
    slices: Annotated[
        Path | None,
        typer.Option(help="A CSV file: a column path, as in predictions.csv, and columns to slice by."),
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="COLUMN", help="Tell of the images of each value apart.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a report, a page of errors and predictions.csv into this new folder.")
    ] = None,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Measure a bundle, or an ensemble of several, on labelled images."""
    from convworks.cli.inference import evaluate as command

    return command.run(
        bundles,
        data=data,
        split=split,
        protocols=protocol.split(","),
        combination=combine,
        slices=slices,
        by=by,
        out=out,
        max_pixels=max_pixels,
        device=device,
        precision=precision,
    )


@app.command()
def predict(
    bundle: Bundle,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Images, folders (searched through) or glob patterns."),
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name for each image.")] = 5,
    out: Annotated[
        Path | None, typer.Option(help="Write the answers to this .csv or .jsonl file; images, into this folder.")
    ] = None,
    max_pixels: MaxPixels = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Classify images, or write what an autoencoder makes of them."""
    from convworks.cli.inference import predict as command

    return command.run(
        bundle,
        paths,
        top=top,
        out=out,
        overwrite=overwrite,
        max_pixels=max_pixels,
        device=device,
        precision=precision,
    )


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="A network: its layers, memory, and its paper's table.")] = None,
    input_size: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="Channels and size of the images.  [default: as published]"),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="How many classes.  [default: as published]")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="The batch whose memory is told.  [default: 32]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a table (.csv, .json) or a picture of the network (.svg, .png).")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List the networks, or show one layer by layer."""
    from convworks.cli.models import models as command

    return command.run(name, input_size=input_size, classes=classes, batch=batch, out=out, overwrite=overwrite)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe: its complete configuration.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List the recipes, or show the complete configuration of one."""
    from convworks.cli import recipes as command

    return command.run(name)


@app.command()
def data(
    source: Annotated[str, typer.Argument(help="A name, a path, or the http(s) address of shards.")],
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the contact sheet (a PNG file).  "
            "[default: SOURCE-sheet.png, or with the next free number]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    pack: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write it as tar shards with an index into this new folder.")
    ] = None,
    shard_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="With --pack: how large a shard may be.  [default: 1GB]")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            help="Show instead what this recipe's network will see of some images; folder/default is what train does.",
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
    """Look at a source: counts, classes, sizes, damaged files, a contact sheet; or write it as shards."""
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


@app.command()
def cache(
    entry: Annotated[str | None, typer.Argument(help="The name of an entry, or how it begins.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all entries, or the one that is named.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List the decoded images in the cache, or remove them."""
    from convworks.cli import cache as command

    return command.run(entry, clear=clear)


@app.command("filter")
def filter_images(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMAGE...]",
            help="Images, folders (searched through) or glob patterns; without any, the kernels are listed.",
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(help='A name, a text file of numbers in rows, or numbers: "0 -1 0; -1 5 -1; 0 -1 0".'),
    ] = None,
    stride: Annotated[int, typer.Option(min=1, help="Steps of the kernel, in pixels.")] = 1,
    padding: Annotated[
        str, typer.Option(help="Pixels added on each side: valid (none), same, full, or a number.")
    ] = "same",
    border: Annotated[
        str, typer.Option(help="What they hold: replicate (the nearest pixel), reflect or zeros.")
    ] = "replicate",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder for the results.  [default: filtered, or with the next number where they are there]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    values: Annotated[bool, typer.Option("--values", help="Write the numbers too: float32 [h, w, c], .npy.")] = False,
    max_pixels: MaxPixels = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Apply a kernel to images, as a convolution layer does: laid on as printed (not flipped), channel by channel."""
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


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> Answer:
    """Show what this machine has, and what is wrong with it."""
    from convworks.cli import doctor as command

    return command.run()


@app.command("lr-range")
@takes_request("recipe data model lowest highest steps out overwrite device seed overrides")
def lr_range(
    request: RunRequest,
    lowest: Annotated[float, typer.Option("--from", help="The learning rate of the first step.")] = 1e-5,
    highest: Annotated[float, typer.Option("--to", help="The learning rate of the last step.")] = 10.0,
    steps: Annotated[int, typer.Option(help="How many steps lie between them, one batch each.")] = 100,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to draw the curve (.png or .svg).  [default: lr-range.png, or with the next free number]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Find a learning rate: raise it step by step until the loss explodes (range test, Smith 2017)."""
    from convworks.cli import lr_range as command

    return command.run(request, lowest=lowest, highest=highest, steps=steps, out=out, overwrite=overwrite)


@app.command()
def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER...]", help="Runs, or folders with runs somewhere below.  [default: runs]"),
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help="Sort by a column, the best or newest first; name: from a to z.")
    ] = "when",
    out: Annotated[
        Path | None, typer.Option(help="Compare them: draw their curves into this file (.png or .svg).")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List runs, or compare several: their curves in one picture, and where their configurations differ."""
    from convworks.cli import runs as command

    return command.run(folders or [], sort=sort, out=out, overwrite=overwrite)
