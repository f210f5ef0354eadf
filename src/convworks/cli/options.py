"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object to standard output, everything else to standard error.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the full traceback of an error.")]
#: For commands that use a bundle; those that train have `TrainingDevice`, whose None keeps the configured device.
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold", metavar="P", help="Multi-label: predict classes of at least this probability.  [default: 0.5]"
    ),
]
Combine = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Ensembles: by probability, logit or vote.  [default: probability]"),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision", help="float32, bfloat16, or auto: the precision of training, if the hardware supports it."
    ),
]
TrainingDevice = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder of a bundle or a run.")]
Bundles = Annotated[
    list[Path],
    typer.Argument(
        metavar="BUNDLE", help="Folders of bundles or runs, or exported files; more than one form an ensemble."
    ),
]
#: What the names of protocols mean (inference/protocol.py).
VIEWS = "Views of each image: center, flip, shift, ten-crop, 144-crop, dense, multi-scale."
Runtime = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="torch, openvino, onnx, or auto: the fastest here, measured once.  [default: auto for many images]",
    ),
]
Recipe = Annotated[
    str | None,
    typer.Argument(metavar="RECIPE", help="A named recipe, for example mnist/fast; `convworks recipes` lists them."),
]
Model = Annotated[str | None, typer.Option(help="The network; `convworks models` lists them.")]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="A folder with one folder per class, a .csv or .parquet file, shards, "
        "or a name: digits, mnist, fashion-mnist, cifar10, imagenet.",
    ),
]
Epochs = Annotated[int | None, typer.Option(metavar="N", help="Number of epochs.")]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Refuse images with more pixels.  [default: 89478485, or the limit that the bundle names]",
    ),
]
#: The same for commands without a bundle.
MostPixels = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Refuse images with more pixels.  [default: 89478485]")
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Random seed.")]
Split = Annotated[
    str | None,
    typer.Option(
        help="train, validation, test, or all of an undivided source.  "
        "[default: the first that exists of test, validation, train, all]"
    ),
]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Make runs bit-for-bit repeatable; slower on a GPU.")
]
SkipDamaged = Annotated[
    bool, typer.Option("--skip-damaged", help="Skip damaged files, up to 5 % of all (data.skip_damaged=0.05).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Override a field of the configuration, for example lr=0.1; may be repeated.",
    ),
]
