"""`convworks import` and `convworks export`: every option of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import CONVERT
from convworks.cli.options import Debug, Json, Overwrite


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
    bundle: Annotated[
        Path,
        typer.Argument(metavar="BUNDLE", help="A bundle, a run, or published weights by name (resnet20:cifar10)."),
    ],
    style: Annotated[
        str,
        typer.Option(
            "--format",
            help="A network to run: onnx, openvino, pt2. Or weights alone, named as in torchvision, timm, cifar.",
        ),
    ],
    check: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Images to compare with PyTorch on.  [default: --calibrate, the bundle's own, else noise]",
        ),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantise to int8 (onnx, openvino).")] = False,
    calibrate: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="With --int8: images to take the ranges of values from.")
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(metavar="POINTS", help="With --int8: how much accuracy may be lost there.  [default: 0.5]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file.  [default: BUNDLE.onnx, .xml, .pt2; BUNDLE-FORMAT.safetensors; or numbered]",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Write a bundle for another library.

    A network to run is compared with PyTorch, in the library that will run it, before it is written.
    """
    from convworks.cli.models import deploy, weights
    from convworks.models.published.peers import RUN

    options = deploy.Options(check=check, int8=int8, calibrate=calibrate, max_drop=max_drop)
    if style in RUN:
        return deploy.run(bundle, style=style, options=options, out=out, overwrite=overwrite)
    options.refuse(style)
    return weights.run_export(bundle, style=style, out=out, overwrite=overwrite)
