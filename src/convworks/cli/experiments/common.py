"""`convworks restarts`, `crossval` and `tune`: every option of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.options import Data, Debug, Deterministic, Epochs, Json, Model, Overrides, Recipe, TrainingDevice

Out = Annotated[Path | None, typer.Option(help="The folder, new or empty.  [default: runs/RECIPE-VERB]")]
Resume = Annotated[Path | None, typer.Option(help="Go on with what is in this folder.")]
Workers = Annotated[
    str, typer.Option(help="How many processes train at a time; ray: the machines of a running Ray cluster.")
]


@app.command()
def restarts(
    recipe: Recipe = None,
    data: Data = None,
    runs: Annotated[int | None, typer.Option(min=2, max=10_000, help="How many runs.  [default: 5]")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed; the others follow it.")] = None,
    model: Model = None,
    epochs: Epochs = None,
    out: Out = None,
    resume: Resume = None,
    workers: Workers = "1",
    device: TrainingDevice = None,
    deterministic: Deterministic = False,
    overrides: Overrides = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Train from several seeds: mean, spread, the best, and the ensemble of all."""
    from convworks.cli.experiments import restarts as command

    return command.run(
        recipe=recipe,
        data=data,
        runs=runs,
        seed=seed,
        model=model,
        epochs=epochs,
        out=out,
        resume=resume,
        workers=workers,
        device=device,
        deterministic=deterministic,
        overrides=overrides or (),
    )


@app.command()
def crossval(
    recipe: Recipe = None,
    data: Data = None,
    folds: Annotated[int | None, typer.Option(min=2, max=10_000, help="How many folds.  [default: 5]")] = None,
    stratified: Annotated[
        bool, typer.Option("--stratified/--plain", help="Give each fold the same share of every class, or not.")
    ] = True,
    group_by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Keep rows of a CSV source with one value of this column together."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of the division and of every run.")] = None,
    model: Model = None,
    epochs: Epochs = None,
    out: Out = None,
    resume: Resume = None,
    workers: Workers = "1",
    device: TrainingDevice = None,
    deterministic: Deterministic = False,
    overrides: Overrides = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Train once a fold: every image but those of test is validated once, by a network that never saw it."""
    from convworks.cli.experiments import crossval as command

    return command.run(
        recipe=recipe,
        data=data,
        folds=folds,
        stratified=stratified,
        group_by=group_by,
        seed=seed,
        model=model,
        epochs=epochs,
        out=out,
        resume=resume,
        workers=workers,
        device=device,
        deterministic=deterministic,
        overrides=overrides or (),
    )


@app.command()
def tune(
    recipe: Recipe = None,
    data: Data = None,
    trials: Annotated[int | None, typer.Option(min=1, max=100_000, help="How many runs.  [default: 20]")] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=RANGE",
            help="What to vary: 0.1..0.9, log:1e-4..1, int:1..9, intlog:8..512 or a,b,c; may be repeated.  "
            "[default: learning rate and weight decay]",
        ),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="An Optuna storage.  [default: study.db in the folder]")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="The study in the storage; processes that name the same one share its trials.")
    ] = None,
    pruning: Annotated[
        bool, typer.Option("--pruning/--no-pruning", help="Stop runs that are worse than most at their age.")
    ] = True,
    seed: Annotated[int | None, typer.Option(help="The seed of the search and of every run.")] = None,
    model: Model = None,
    epochs: Epochs = None,
    out: Out = None,
    resume: Resume = None,
    workers: Workers = "1",
    device: TrainingDevice = None,
    deterministic: Deterministic = False,
    overrides: Overrides = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Search for the best configuration with Optuna."""
    from convworks.cli.experiments import tune as command

    return command.run(
        recipe=recipe,
        data=data,
        trials=trials,
        search=search or (),
        storage=storage,
        study=study,
        pruning=pruning,
        seed=seed,
        model=model,
        epochs=epochs,
        out=out,
        resume=resume,
        workers=workers,
        device=device,
        deterministic=deterministic,
        overrides=overrides or (),
    )
