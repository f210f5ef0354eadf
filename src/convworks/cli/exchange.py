"""`convworks import` and `convworks export`: every option of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.options import (
    Bundle,
    Debug,
    Json,
    Overwrite,
)


@app.command(name="import")
def import_(
    weights: Annotated[
        str, typer.Argument(help="A .safetensors file, a PyTorch state_dict, or a name such as resnet50:imagenet.")
    ],
    model: Annotated[str | None, typer.Option(help="The network; with --from, as that library calls it.")] = None,
    peer: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The library whose names the weights have: torchvision, timm, cifar.  [default: recognised by them]",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Which weights of a file that has several, by their key in it.  [default: averaged ones]"),
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="A text file with the name of one class a line.")] = None,
    mean: Annotated[
        str | None,
        typer.Option(help="What is taken from pixels in 0..1, one number or one a channel.  [default: the library's]"),
    ] = None,
    std: Annotated[
        str | None, typer.Option(help="By what pixels are divided after that.  [default: the library's]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder, new.  [default: after the weights]")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Make a bundle from weights that others trained."""
    from convworks.cli.models import weights as command

    return command.run_import(weights, model=model, peer=peer, key=key, classes=classes, mean=mean, std=std, out=out)


@app.command()
def export(
    bundle: Bundle,
    style: Annotated[
        str, typer.Option("--format", help="The library whose names the weights shall get: torchvision, timm, cifar.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file.  [default: BUNDLE-FORMAT.safetensors, or with the next free number]"),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Write the weights of a bundle under the names of another library."""
    from convworks.cli.models import weights as command

    return command.run_export(bundle, style=style, out=out, overwrite=overwrite)
