"""`convworks explain`: every option of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import LOOK
from convworks.cli.options import Debug, Device, Json, MaxPixels, Overwrite


@app.command(rich_help_panel=LOOK)
def explain(
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE",
            help="The folder of a bundle or a run, or published weights such as resnet50:imagenet (docs/published.md).",
        ),
    ],
    paths: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Images, folders or glob patterns.")],
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME...]",
            help="gradient, gradient-x-input, integrated-gradients, smoothgrad, guided-backpropagation, deconvnet, "
            "grad-cam, cam, occlusion, or all.  [default: grad-cam]",
        ),
    ] = None,
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="CLASS", help="The class to explain, by name or number.  [default: the predicted one]"
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="TAP:C,Y,X",
            help="Explain a unit of a layer: by the terms that add up to its value, or with --method by a map.",
        ),
    ] = None,
    pixel: Annotated[
        str | None,
        typer.Option(
            metavar="Y,X",
            help="Of a mask, explain the class at this pixel: row and column from 0, in the network's size.",
        ),
    ] = None,
    message: Annotated[
        bool, typer.Option("--message", help="With --unit: the derivative of the loss by this input of the layer.")
    ] = False,
    gradient: Annotated[
        bool,
        typer.Option(
            "--gradient", help="With --unit: the derivative of the loss by this weight, such as stem.conv.bias:3."
        ),
    ] = False,
    tap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAP", help="Layer whose maps grad-cam weighs; may be repeated.  [default: the last maps]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write pictures, numbers and a page into this folder.  [default: explained, or explained-2, ...]",
        ),
    ] = None,
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Show which pixels count for an answer, or how a number arises.

    Each map has a verdict: whether it ranks pixels better than a random order, and depends on what the network has
    learned.
    """
    if unit is not None and method is None:
        from convworks.cli.explain import arithmetic

        return arithmetic.run(
            bundle,
            paths,
            unit=unit,
            message=message,
            gradient=gradient,
            class_name=class_name,
            idle={"--pixel": pixel, "--tap": tap, "--out": out, "--overwrite": overwrite},
            max_pixels=max_pixels,
            device=device,
        )
    from convworks.cli.explain import attribution

    return attribution.run(
        bundle,
        paths,
        method=method,
        class_name=class_name,
        unit=unit,
        pixel=pixel,
        taps=tap or (),
        out=out,
        overwrite=overwrite,
        max_pixels=max_pixels,
        device=device,
        idle={"--message": message, "--gradient": gradient},
    )
