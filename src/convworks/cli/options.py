"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, all else on standard error.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
#: For commands that use a bundle; those that train have `TrainingDevice`, whose None keeps the configured device.
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[
    str,
    typer.Option("--precision", help="float32, bfloat16, or auto: as it was trained, where the hardware has that."),
]
TrainingDevice = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Bundle = Annotated[Path, typer.Argument(help="The folder of a bundle or a run.")]
Bundles = Annotated[
    list[Path],
    typer.Argument(metavar="BUNDLE...", help="Folders of bundles or runs; several are an ensemble."),
]
Recipe = Annotated[
    str | None,
    typer.Argument(metavar="[RECIPE]", help="A named recipe, for example mnist/fast; `convworks recipes` lists them."),
]
Model = Annotated[str | None, typer.Option(help="The network; `convworks models` lists them.")]
Data = Annotated[str | None, typer.Option(help="A name (digits, mnist, fashion-mnist, cifar10) or a path.")]
Epochs = Annotated[int | None, typer.Option(help="How often each image is seen.")]
MaxPixels = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Refuse images of more pixels.  [default: as the bundle, else 89478485]"),
]
Seed = Annotated[int | None, typer.Option(help="The seed of every random choice.")]
Split = Annotated[
    str | None,
    typer.Option(
        help="train, validation or test; all of an undivided source.  [default: test, else validation, train, all]"
    ),
]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Repeat bit for bit, at some cost in speed on a GPU.")
]
SkipDamaged = Annotated[
    bool, typer.Option("--skip-damaged", help="Leave damaged files out, up to 5 % of all (data.skip_damaged=0.05).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the configuration; may be repeated."),
]
