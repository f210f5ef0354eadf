"""`convworks landscape`: its options and its work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import LOOK
from convworks.cli.options import Debug, Device, Json, Precision, Split
from convworks.commands import repeated
from convworks.errors import counted


@app.command(rich_help_panel=LOOK)
def landscape(
    bundle: Annotated[
        str,
        typer.Argument(
            help="The folder of a bundle or a run, or published weights such as resnet20:cifar10.", metavar="BUNDLE"
        ),
    ],
    data: Annotated[str, typer.Option(metavar="SOURCE", help="A labelled source: a name or a path.")],
    split: Split = None,
    images: Annotated[int, typer.Option(min=1, metavar="N", help="Number of images, evenly from the split.")] = 1000,
    dimensions: Annotated[int, typer.Option(min=1, max=2, metavar="1|2", help="A line or a plane.")] = 2,
    points: Annotated[int, typer.Option(min=3, metavar="N", help="Number of points along each direction.")] = 25,
    span: Annotated[
        float,
        typer.Option(metavar="R", help="How far to go in random directions, in lengths of the filters, both ways."),
    ] = 1.0,
    directions: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="random, normalised by filter; or trajectory: where the checkpoints of a run moved."
        ),
    ] = "random",
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of the directions.")] = 0,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Number of processes.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The folder for the results, new or empty.  [default: landscape, or landscape-2, ...]"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Measure the rest of what an interrupted command began in this folder.")
    ] = False,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Draw the loss around trained weights (Li et al. 2018)."""
    from convworks.api.landscape import landscape as measure

    values = measure(
        bundle,
        data=data,
        split=split,
        images=images,
        dimensions=dimensions,
        points=points,
        span=span,
        directions=directions,
        seed=seed,
        workers=workers,
        out=out,
        resume=resume,
        device=device,
        precision=precision,
    )
    ends = values["loss"]
    extent = f"loss from {ends['lowest']:.4g} to {ends['highest']:.4g}" if ends else "no finite loss"
    many = f"{counted(values['images'], 'image')} of {values['source']} ({values['split']})"
    lines = [f"{counted(values['points'], 'point')} on {many} in {values['seconds']:.1f} s: {extent}"]
    if values["not_finite"]:
        lines.append(f"not finite at {counted(values['not_finite'], 'point')}, which are grey")
    if "variance" in values:
        first, second = values["variance"]
        lines.append(
            f"the plane holds {first + second:.0%} of the movement between {len(values['steps'])} checkpoints; loss of "
            f"the first: {_loss(values['loss_true'][0])}, of its projection: {_loss(values['loss_projected'][0])}"
        )
    other = "--seed 1" if directions == "trajectory" or dimensions == 2 else "--dimensions 2"
    lines += [f"picture: {values['picture']}", f"next: {repeated(['landscape', bundle], {'--data': data})} {other}"]
    return Answer(values=values, text="\n".join(lines))


def _loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"
