"""`convworks evaluate` and `predict`: every option of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import USE
from convworks.cli.options import (
    VIEWS,
    Bundles,
    Combine,
    Debug,
    Device,
    Json,
    MaxPixels,
    Overwrite,
    Precision,
    Runtime,
    Split,
    Threshold,
)


@app.command(rich_help_panel=USE)
def evaluate(
    bundles: Bundles,
    data: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="A labelled source: a name or a path (an autoencoder takes unlabelled images too).",
        ),
    ],
    split: Split = None,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME...]",
            help=VIEWS,
        ),
    ] = "center",
    combine: Combine = None,
    threshold: Threshold = None,
    slices: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV file of image paths (column path, as in predictions.csv) and properties to group results by.",
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="With --slices: report each value of this column separately.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write report, error analysis and predictions.csv into this new folder."),
    ] = None,
    max_pixels: MaxPixels = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="torch, openvino, onnx, or auto: the fastest here, measured once.  [default: torch, as in training]",
        ),
    ] = None,
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
        runtime=runtime,
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
        typer.Argument(
            metavar="PATH",
            help="Images, folders (searched recursively), glob patterns, .csv or .parquet files, tar shards, or the "
            "index of shards or its address.",
        ),
    ],
    ensemble: Annotated[
        list[Path] | None,
        typer.Option("--ensemble", metavar="BUNDLE", help="Another bundle of an ensemble; may be repeated."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of classes to list per image.  [default: 5; of a mask, all that occur]",
            show_default=False,
        ),
    ] = None,
    threshold: Threshold = None,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Write one column per class to the .csv or .parquet file, named p:CLASS; of masks, .npy files.",
        ),
    ] = False,
    objects: Annotated[
        bool,
        typer.Option("--objects", help="Of masks, write connected regions with area, box and centre: objects.csv."),
    ] = False,
    protocol: Annotated[
        str,
        typer.Option(metavar="NAME", help=VIEWS),
    ] = "center",
    combine: Combine = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Write predictions to this .csv, .jsonl or .parquet file; masks, reconstructions into this folder.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the file that an interrupted run began, or begin it.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Predict the K-th of N parts, which end to end are the whole."),
    ] = None,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Succeed although images fail: their rows say why.")
    ] = False,
    workers: Annotated[
        str | None, typer.Option(metavar="ray", help="Compute on a running Ray cluster.  [default: this process]")
    ] = None,
    max_pixels: MaxPixels = None,
    runtime: Runtime = None,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Classify, segment or reconstruct images."""
    from convworks.cli.inference import predict as command

    return command.run(
        bundle,
        paths,
        ensemble=ensemble or (),
        top=top,
        threshold=threshold,
        probabilities=probabilities,
        objects=objects,
        protocol=protocol,
        combine=combine,
        out=out,
        overwrite=overwrite,
        resume=resume,
        shard=shard,
        skip_damaged=skip_damaged,
        workers=workers,
        max_pixels=max_pixels,
        runtime=runtime,
        device=device,
        precision=precision,
    )
