"""The results of a search: its trials, the best of them, and the page that shows both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks.data.sources.open import open_source
from convworks.data.sources.split_names import TEST
from convworks.errors import counted
from convworks.experiments import views
from convworks.experiments.command import resume_command
from convworks.experiments.page import Content, write_page
from convworks.experiments.record import Experiment
from convworks.experiments.space import Dimension, assignment, start
from convworks.experiments.trials import Trials, as_plain
from convworks.inference.load import load
from convworks.metrics.spec import spec, written_headline
from convworks.tasks.again import varied
from convworks.training.folder import history

#: The option that holds the command for a final run; earlier versions had none.
FINAL = "final"


def tuned(experiment: Experiment, folder: Path, trials: Trials) -> dict[str, Any]:
    """Return the results of the trials, and write the page."""
    metric = experiment.config.training.best
    best = trials.best()
    changes = [assignment(field, value) for field, value in best.params.items()]
    command = varied(experiment.options.get(FINAL, experiment.train), experiment.config, changes)
    rows = [_row(frozen, trials) for frozen in trials.counted()]
    recipe_values = start(trials.space, experiment.config)
    recipe_row = next((row for row in rows if recipe_values is not None and row["values"] == recipe_values), None)
    results = {
        "experiment": str(folder),
        "report": str(folder / "report.html"),
        "metric": metric,
        "trials": rows,
        "best": {
            "name": f"trial-{best.number}",
            "run": str(trials.run(best)),
            "bundle": str(trials.run(best) / "bundle"),
            "value": best.value,
            "values": as_plain(best.params),
            "command": command,
            "longer": experiment.options.get(FINAL, experiment.train) != experiment.train,
        },
        "test": _measured(experiment, trials.run(best) / "bundle"),
        "recipe": {"name": recipe_row["name"], "value": recipe_row["value"]} if recipe_row else None,
        "importance": trials.importance(),
    }
    _page(experiment, folder, results, trials.space)
    return results


def _measured(experiment: Experiment, bundle: Path) -> dict[str, Any] | None:
    """Return the metrics of a bundle on test; None if the source has none, or the bundle is on another machine."""
    source = open_source(experiment.config.data.source)
    if TEST not in source.splits or not bundle.exists():
        return None
    metrics: dict[str, Any] = load(bundle, device=experiment.config.device).evaluate(source, split=TEST)
    return metrics


def _row(frozen: Any, trials: Trials) -> dict[str, Any]:
    """Return the table row of a trial; its run may be on another machine."""
    run = trials.run(frozen)
    epochs = history(run)
    return {
        "name": f"trial-{frozen.number}",
        "run": str(run),
        "state": frozen.state.name.lower(),
        "value": _value(frozen, trials.maximise),
        "epochs": len(frozen.intermediate_values),
        "seconds": epochs[-1]["seconds"] if epochs else None,
        "values": as_plain(frozen.params),
    }


def _value(frozen: Any, maximise: bool) -> float | None:
    """Return the value of a trial; for a pruned one, the best over its epochs."""
    if frozen.state.name == "COMPLETE":
        return float(frozen.value)
    values = list(frozen.intermediate_values.values())
    return float((max if maximise else min)(values)) if values and frozen.state.name == "PRUNED" else None


def _page(experiment: Experiment, folder: Path, results: Mapping[str, Any], space: Sequence[Dimension]) -> None:
    metric, best, recipe, tested = results["metric"], results["best"], results["recipe"], results["test"]
    percent, maximise = spec(metric).unit == "fraction", spec(metric).better == "higher"
    rows = [row for row in results["trials"] if row["value"] is not None]
    states = [row["state"] for row in results["trials"]]
    points = [(int(row["name"].removeprefix("trial-")), row["value"], row["state"] == "pruned") for row in rows]
    fields = {
        dimension.field: (
            [(row["values"][dimension.field], row["value"], row["state"] == "pruned") for row in rows],
            "log" in dimension.kind,
        )
        for dimension in space
    }
    figures = [
        ("trials", "Trials", "Each dot is a trial.", views.trials(points, maximise=maximise, percent=percent)),
        ("fields", "Fields", "Result for each value.", views.slices(fields, percent=percent)),
    ]
    if results["importance"]:
        note = "Fraction of the variance that each field explains (fANOVA)."
        figures.append(("importance", "Importance", note, views.bars(results["importance"])))
    ordered = ranked(results["trials"], metric)
    content = Content(
        title=f"{counted(len(states), 'trial')} of {experiment.config.recipe}",
        value=best["value"],
        percent=percent,
        words=[
            f"The best {_name(metric)} on validation, of {best['name']}.",
            "The best of many trials is optimistic: expect less on new images.",
            *([f"On test, which no trial was measured on: {written_headline(tested)}."] if tested else []),
        ],
        tiles=[
            *((field, _short(value)) for field, value in best["values"].items()),
            *([("The recipe unchanged", spec(metric).write(recipe["value"]))] if recipe and recipe["value"] else []),
            ("Complete", str(states.count("complete"))),
            ("Pruned", str(states.count("pruned"))),
            ("Failed", str(states.count("fail"))),
        ],
        figures=figures,
        header=("trial", _name(metric), "state", "epochs", "training time", *(dimension.field for dimension in space)),
        rows=[
            (
                row["name"],
                "–" if row["value"] is None else spec(metric).write(row["value"]),
                row["state"],
                str(row["epochs"]),
                "–" if row["seconds"] is None else f"{row['seconds']:.1f} s",
                *(_short(row["values"].get(dimension.field, "–")) for dimension in space),
            )
            for row in ordered
        ],
        experiment=experiment,
        commands=[
            ("The best configuration, trained in full", best["command"]),
            ("More trials", f"{resume_command('tune', folder)} --trials {2 * len(states)}"),
        ],
        beside="a folder for each trial, and study.db, Optuna's record" if (folder / "study.db").exists() else "",
    )
    write_page(folder, content)


def ranked(trials: Sequence[Mapping[str, Any]], metric: str) -> list[Mapping[str, Any]]:
    """Sort the trials: complete ones, then pruned ones, then others, each with the best first."""
    states, sign = ("complete", "pruned"), -1 if spec(metric).better == "higher" else 1

    def order(trial: Mapping[str, Any]) -> tuple[int, float]:
        rank = states.index(trial["state"]) if trial["state"] in states else len(states)
        return rank, 0.0 if trial["value"] is None else sign * trial["value"]

    return sorted(trials, key=order)


def _name(metric: str) -> str:
    return spec(metric).title


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
