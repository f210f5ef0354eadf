"""`convworks restarts`, `crossval` and `tune`: every option of them."""

from __future__ import annotations

from typing import Annotated

import typer

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer
from convworks.cli.commands import app
from convworks.cli.help import TRAIN
from convworks.cli.options import Debug, Json
from convworks.cli.request import takes_request

#: The options with which those of all three verbs end.
REST = "model epochs out resume workers device deterministic skip_damaged overrides"


@app.command(rich_help_panel=TRAIN)
@takes_request(
    f"recipe data runs seed {REST}",
    seed=Annotated[
        int | None, typer.Option(metavar="N", help="The first seed; the other runs use the seeds after it.")
    ],
)
def restarts(
    request: RunRequest,
    runs: Annotated[
        int | None, typer.Option(min=2, max=10_000, metavar="N", help="Number of runs.  [default: 5]")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Train from different seeds: mean, spread, best, ensemble."""
    from convworks.cli.experiments import restarts as command

    return command.run(request, runs=runs)


@app.command(rich_help_panel=TRAIN)
@takes_request(
    f"recipe data folds stratified group_by seed {REST}",
    seed=Annotated[int | None, typer.Option(metavar="N", help="Seed of the folds and of every run.")],
)
def crossval(
    request: RunRequest,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=10_000,
            metavar="N",
            help="Number of folds.  [default: those of a column fold of a CSV source, else 5]",
        ),
    ] = None,
    stratified: Annotated[
        bool,
        typer.Option("--stratified/--plain", help="Keep class proportions equal across folds, or divide at random."),
    ] = True,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Keep rows of a CSV source with the same value of this column in one fold."
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Cross-validate: train once per fold.

    Every image outside the test split is predicted once, by a network that was not trained on it.
    """
    from convworks.cli.experiments import crossval as command

    return command.run(request, folds=folds, stratified=stratified, group_by=group_by)


@app.command(rich_help_panel=TRAIN)
@takes_request(
    f"recipe data trials search storage study pruning seed {REST}",
    seed=Annotated[int | None, typer.Option(metavar="N", help="Seed of the search and of every run.")],
)
def tune(
    request: RunRequest,
    trials: Annotated[
        int | None, typer.Option(min=1, max=100_000, metavar="N", help="Number of runs.  [default: 20]")
    ] = None,
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
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the study in the storage; processes with the same name share its trials."
        ),
    ] = None,
    pruning: Annotated[bool, typer.Option("--pruning/--no-pruning", help="Stop unpromising runs early.")] = True,
    as_json: Json = False,
    debug: Debug = False,
) -> Answer:
    """Search for the best configuration (Optuna)."""
    from convworks.cli.experiments import tune as command

    return command.run(request, trials=trials, search=search or (), storage=storage, study=study, pruning=pruning)
