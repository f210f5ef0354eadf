"""`convworks serve`: its options and its work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import USE
from convworks.cli.options import Debug, Device, Json, MaxPixels, Precision


@app.command(rich_help_panel=USE)
def serve(
    bundles: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE",
            help="Bundles, runs, exported files or published weights; NAME=BUNDLE gives it a name. Those of one "
            "name form an ensemble.",
        ),
    ],
    host: Annotated[str, typer.Option(metavar="HOST", help="The address to listen at; 0.0.0.0 is all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 is any that is free.")] = 8000,
    runtime: Annotated[
        str, typer.Option(metavar="NAME", help="torch, openvino, onnx, or auto: the fastest here, measured once.")
    ] = "auto",
    max_batch: Annotated[
        int | None,
        typer.Option(min=1, max=4096, metavar="N", help="Images computed together.  [default: by their size]"),
    ] = None,
    delay: Annotated[
        float, typer.Option(metavar="MS", help="Milliseconds that an image waits for others: less than the deadline.")
    ] = 2.0,
    deadline: Annotated[
        float, typer.Option(metavar="S", help="Seconds in which a request is answered, or 504: at most 20.")
    ] = 10.0,
    queue: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Images that wait; more are refused with 503.")
    ] = 256,
    max_bytes: Annotated[int, typer.Option(min=1, metavar="N", help="Refuse requests with more bytes.")] = 32 * 2**20,
    max_images: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Refuse requests with more images.")
    ] = 64,
    max_pixels: MaxPixels = None,
    connections: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Open connections; more are refused with 503.")
    ] = 1000,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ask for one of the keys in this file: one a line, at least 16 "
            "characters each. Health checks and pages need none.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Load a bundle again when it is replaced; SIGHUP does so too.")
    ] = False,
    grace: Annotated[
        float,
        typer.Option(
            metavar="S", help="Seconds from SIGTERM, when /readyz says 503, to the last new request: at most 5."
        ),
    ] = 2.0,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Answer requests over HTTP with trained networks."""
    from convworks.hardware import check_precision
    from convworks.serve.server import require, serve
    from convworks.serve.settings import Limits, Settings, named

    require()
    check_precision(precision)
    limits = Limits(
        max_bytes=max_bytes,
        max_images=max_images,
        max_pixels=max_pixels,
        max_batch=max_batch,
        queue=queue,
        delay=delay / 1000,
        deadline=deadline,
        grace=grace,
        connections=connections,
    )
    settings = Settings(
        models=named(bundles),
        host=host,
        port=port,
        limits=limits,
        runtime=runtime,
        device=device,
        precision=precision,
        api_key_file=api_key_file,
        watch=watch,
    )
    values = serve(settings)
    return Answer(values=values, text=f"stopped after {values['requests']:,} requests in {values['seconds']:,.0f} s")
