"""`convworks VERB ...`: the options of every command that has no module of its own (verbs.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks import __version__, console
from convworks.api.request import RunRequest
from convworks.cli.answer import Answer
from convworks.cli.help import COMPARE, LOOK, TRAIN, Verbs
from convworks.cli.options import (
    Debug,
    Json,
    MostPixels,
    Overwrite,
)
from convworks.cli.request import takes_request

app = typer.Typer(
    name="convworks",
    cls=Verbs,
    help="Train, evaluate, explain and ship convolutional networks.",
    epilog="`convworks train` alone trains on the embedded digits. `convworks COMMAND --help` lists its options.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool | None) -> bool:
    if wanted:
        console.answer(f"convworks {__version__}")
        raise typer.Exit
    return False


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Do nothing: the program's own options answer by themselves."""


@app.command(rich_help_panel=TRAIN)
@takes_request(
    "recipe model data epochs out resume finish device seed deterministic skip_damaged overrides",
    epochs=Annotated[str | None, typer.Option(metavar="N", help="Number of epochs; with --resume, +N for N more.")],
    out=Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The run folder, new or empty.  [default: runs/RECIPE, or runs/DATA without a recipe]",
        ),
    ],
    resume=Annotated[Path | None, typer.Option(metavar="RUN", help="Resume the run in this folder.")],
)
def train(
    request: RunRequest,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="With --resume: write bundle and report from the epochs completed so far."),
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Train a network, by a recipe or on your own images."""
    from convworks.cli import train as command

    return command.run(request, finish=finish)


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
        int | None, typer.Option(min=1, max=1_000_000, metavar="N", help="Number of classes.  [default: as published]")
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, metavar="N", help="Batch size for the memory estimate.  [default: 32]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the table (.csv, .json) or a diagram (.svg, .png).")
    ] = None,
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
    data: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Show the configuration for this source: a name or a path.")
    ] = None,
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
            metavar="FILE",
            help="Where to write the contact sheet (a PNG file).  "
            "[default: SOURCE-sheet.png, or with the next free number]",
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
    max_pixels: MostPixels = None,
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
    stride: Annotated[int, typer.Option(min=1, metavar="N", help="Stride, in pixels.")] = 1,
    padding: Annotated[
        str, typer.Option(metavar="NAME", help="Pixels added on each side: valid (none), same, full, or a number.")
    ] = "same",
    border: Annotated[
        str, typer.Option(metavar="NAME", help="What they hold: replicate (the nearest pixel), reflect or zeros.")
    ] = "replicate",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder for the results.  [default: filtered, or filtered-2, ... to replace nothing]",
        ),
    ] = None,
    overwrite: Overwrite = False,
    values: Annotated[
        bool, typer.Option("--values", help="Also write the raw values: float32 [h, w, c], .npy.")
    ] = False,
    max_pixels: MostPixels = None,
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
@takes_request("recipe data model lowest highest steps out overwrite device seed skip_damaged overrides")
def lr_range(
    request: RunRequest,
    lowest: Annotated[float, typer.Option("--from", metavar="RATE", help="Learning rate of the first step.")] = 1e-5,
    highest: Annotated[float, typer.Option("--to", metavar="RATE", help="Learning rate of the last step.")] = 10.0,
    steps: Annotated[int, typer.Option(metavar="N", help="Number of steps, one batch each.")] = 100,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File for the curve (.png or .svg).  [default: lr-range.png, or lr-range-2.png, ...]"
        ),
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
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the learning curves into this file (.png or .svg).")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """List runs, or compare their curves and configurations."""
    from convworks.cli import runs as command

    return command.run(folders or [], sort=sort, out=out, overwrite=overwrite)
