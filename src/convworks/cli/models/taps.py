"""`convworks transfer`, `features` and `probe`: every option of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import COMPARE, TRAIN, USE
from convworks.cli.options import Debug, Device, Json, Overwrite
from convworks.cli.request import takes_request

Pretrained = Annotated[
    str,
    typer.Argument(
        help="The folder of a bundle or a run, or published weights such as resnet50:imagenet (docs/published.md).",
        metavar="BUNDLE",
    ),
]
Source = Annotated[str, typer.Option(metavar="SOURCE", help="A labelled source: a name or a path.")]
Pooling = Annotated[str, typer.Option(metavar="NAME", help="How feature maps are pooled: average, max or none.")]


@app.command(rich_help_panel=TRAIN)
@takes_request(
    "bundle data cut freeze head epochs out device seed deterministic skip_damaged overrides",
    out=Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder, new or empty.  [default: runs/DATA-transfer]")
    ],
)
def transfer(
    request: RunRequest,
    bundle: Pretrained,
    data: Source,
    cut: Annotated[
        str | None,
        typer.Option(
            metavar="TAP",
            help="Attach the new head to this layer's output; `convworks models NAME` lists them.  "
            "[default: before the last layer; below a U-Net the last stage]",
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(metavar="TAP", help="Freeze layers up to this one.  [default: none; all below an SVM]"),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="linear, two-layer, svm, rbf-svm; for masks unet, pixel, fcn8s, fcn16s, fcn32s; or keep: the bundle's "
            "own, for the same classes.  [default: linear; for masks unet, or pixel]",
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Fine-tune a bundle on other images, with a new head."""
    from convworks.cli import transfer as command

    return command.run(bundle, replace(request, data=data), cut=cut, freeze=freeze, head=head)


@app.command(rich_help_panel=USE)
def features(
    bundle: Pretrained,
    data: Annotated[str, typer.Option(metavar="SOURCE", help="A source: a name or a path.")],
    tap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAP", help="Layer whose output is read; may be repeated.  [default: before the last layer]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file (.npz or .parquet).  [default: features.npz, or features-2.npz, ...]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    split: Annotated[
        str | None, typer.Option(metavar="SPLIT", help="train, validation or test.  [default: all images]")
    ] = None,
    pool: Pooling = "average",
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Write one feature vector per image and tap."""
    from convworks.cli.inference import features as command

    return command.run(
        bundle, data=data, taps=tap or (), out=out, overwrite=overwrite, split=split, pool=pool, device=device
    )


@app.command(rich_help_panel=COMPARE)
def probe(
    bundle: Pretrained,
    data: Source,
    tap: Annotated[
        list[str] | None,
        typer.Option(metavar="TAP", help="Layer whose output is probed; may be repeated.  [default: all]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File for the curve (.png or .svg).  [default: probe.png, or probe-2.png, ...]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    pool: Pooling = "average",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the validation split.")] = 0,
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Fit a linear classifier to the features at each tap."""
    from convworks.cli.inference import probe as command

    return command.run(
        bundle, data=data, taps=tap or (), out=out, overwrite=overwrite, pool=pool, seed=seed, device=device
    )
