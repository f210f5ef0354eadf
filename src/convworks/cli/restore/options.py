"""`convworks restore`: every option of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import LOOK
from convworks.cli.options import Debug, Device, Json, Overwrite, Precision


@app.command(rich_help_panel=LOOK)
def restore(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="denoise, inpaint, superres or jpeg.")],
    paths: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE", help="Images, folders (searched recursively) or glob patterns."),
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="inpaint: an image that is black where pixels are missing, or a folder of them.  "
            "[default: transparent pixels are missing]",
        ),
    ] = None,
    scale: Annotated[
        int | None, typer.Option(metavar="N", help="superres: the factor on each side.  [default: 4]")
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(metavar="M", help="The time for each image; if it allows no more, a smaller image is restored."),
    ] = 5.0,
    samples: Annotated[
        int, typer.Option(metavar="N", help="inpaint: this many images, from different inputs, instead of one.")
    ] = 1,
    runs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Average this many runs, if time allows.  [default: denoise 4, others 2]"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NETWORK", help="The network, such as prior_unet.  [default: by problem]"),
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(
            metavar="RULE", help="When to stop: held-out, moving-variance or iterations.  [default: by problem]"
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(metavar="N", help="Maximum number of iterations of a run.  [default: by the rule, and the time]"),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The clean image, or a folder of them: measure PSNR; it changes nothing."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder for the results.  [default: restored, or restored-2, ... to replace nothing]",
        ),
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what is finished in the folder, and resume the rest.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed.")] = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Restore images by untrained networks (deep image prior).

    A network is fitted to each image alone, and stopped before it fits the noise. The best image so far is always on
    the disk.
    """
    from convworks.cli.restore import run as command
    from convworks.restoration.request import Request

    request = Request.of(locals())
    files = command.Files(mask=mask, compare=compare, out=out, overwrite=overwrite, resume=resume)
    return command.run(paths, request, files)
