"""`convworks import` and `convworks export`: every option of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import CONVERT
from convworks.cli.options import (
    Bundle,
    Debug,
    Json,
    Overwrite,
)


@app.command(name="import", rich_help_panel=CONVERT)
def import_(
    weights: Annotated[
        str,
        typer.Argument(
            metavar="WEIGHTS", help="A .safetensors file, a PyTorch state_dict, or a name such as resnet50:imagenet."
        ),
    ],
    model: Annotated[str | None, typer.Option(help="The network; with --from, by that library's name.")] = None,
    peer: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="LIBRARY",
            help="The library whose parameter names the file uses: torchvision, timm, cifar.  [default: detected]",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Key of the weights, in a file with more than one set.  [default: the averaged ones]"),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A text file with one class name per line.")
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Mean subtracted from pixels in 0..1: one number, or one per channel.  [default: the library's]",
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS", help="Standard deviation that pixels are then divided by.  [default: the library's]"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the new bundle.  [default: named after the weights]")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Make a bundle from weights of another library."""
    from convworks.cli.models import weights as command

    return command.run_import(weights, model=model, peer=peer, key=key, classes=classes, mean=mean, std=std, out=out)


@app.command(rich_help_panel=CONVERT)
def export(
    bundle: Bundle,
    style: Annotated[
        str, typer.Option("--format", help="The library whose parameter names to use: torchvision, timm, cifar.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file.  [default: BUNDLE-FORMAT.safetensors, or BUNDLE-FORMAT-2.safetensors, ...]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Write the weights of a bundle for another library."""
    from convworks.cli.models import weights as command

    return command.run_export(bundle, style=style, out=out, overwrite=overwrite)
