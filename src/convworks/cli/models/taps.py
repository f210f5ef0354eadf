"""`convworks transfer`, `features` and `probe`: every option of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.options import Debug, Device, Json, Overwrite
from convworks.cli.request import takes_request

Pretrained = Annotated[
    str, typer.Argument(help="The folder of a bundle or a run, or a name such as resnet50:imagenet.", metavar="BUNDLE")
]
Source = Annotated[str, typer.Option(help="A labelled source: a name or a path.")]
Pooling = Annotated[
    str, typer.Option(metavar="NAME", help="What becomes of maps: average, max, or none (all their values).")
]


@app.command()
@takes_request(
    "bundle data cut freeze head epochs out device seed deterministic skip_damaged overrides",
    out=Annotated[Path | None, typer.Option(help="The run folder, new or empty.  [default: runs/transfer]")],
)
def transfer(
    request: RunRequest,
    bundle: Pretrained,
    data: Source,
    cut: Annotated[
        str | None,
        typer.Option(metavar="TAP", help="Where the new head begins.  [default: before the last layer]"),
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(metavar="TAP", help="Keep all up to this tap as it is.  [default: nothing; below an SVM, all]"),
    ] = None,
    head: Annotated[
        str,
        typer.Option(metavar="NAME", help="linear, two-layer, svm, rbf-svm; keep: the bundle's own, for its classes."),
    ] = "linear",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Train a bundle on other images: cut it at a tap, put a new head on, freeze what is to stay."""
    from convworks.cli import transfer as command

    return command.run(bundle, replace(request, data=data), cut=cut, freeze=freeze, head=head)


@app.command()
def features(
    bundle: Pretrained,
    data: Annotated[str, typer.Option(help="A source: a name or a path.")],
    tap: Annotated[
        list[str] | None,
        typer.Option(metavar="TAP", help="Whose activations; may be repeated.  [default: before the last layer]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file (.npz or .parquet).  [default: features.npz, or with the next free number]"),
    ] = None,
    overwrite: Overwrite = False,
    split: Annotated[str | None, typer.Option(help="train, validation or test.  [default: all images]")] = None,
    pool: Pooling = "average",
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Write what a network computes at its taps, a vector an image, for other programs."""
    from convworks.cli.inference import features as command

    return command.run(
        bundle, data=data, taps=tap or (), out=out, overwrite=overwrite, split=split, pool=pool, device=device
    )


@app.command()
def probe(
    bundle: Pretrained,
    data: Source,
    tap: Annotated[
        list[str] | None, typer.Option(metavar="TAP", help="Which tap; may be repeated.  [default: every one]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to draw the curve (.png or .svg).  [default: probe.png, or with the next free number]"
        ),
    ] = None,
    overwrite: Overwrite = False,
    pool: Pooling = "average",
    seed: Annotated[int, typer.Option(help="The seed by which validation is split off.")] = 0,
    device: Device = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Fit a linear classifier to the features at every tap: how much each depth knows of the classes of a source."""
    from convworks.cli.inference import probe as command

    return command.run(
        bundle, data=data, taps=tap or (), out=out, overwrite=overwrite, pool=pool, seed=seed, device=device
    )
