"""The same run from several seeds: how far results scatter, which is the best, and what all of them say together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from convworks.data.sources.open import open_source
from convworks.experiments.command import resume_command
from convworks.experiments.job import Job, Outcome, make_job
from convworks.experiments.members import ensemble
from convworks.experiments.page import Content, write_page
from convworks.experiments.record import Experiment, absolute, extended, opened, read, write
from convworks.experiments.runs import carry_out_all, row
from convworks.experiments.spread import deviation, spread, written
from convworks.experiments.views import overlaid, scored, scores
from convworks.metrics.spec import MetricSpec, headline, headline_value, spec, written_headline
from convworks.tasks.outcome import Pooled
from convworks.training.config import RunConfig
from convworks.training.folder import history
from convworks.training.run_data import divided

KIND = "restarts"
ASKED = {"runs": int, "first": int}


def restarts(
    config: RunConfig, *, runs: int, train: str, command: str, out: Path | None = None, workers: int | str = 1
) -> dict[str, Any]:
    """Make `runs` runs with the seeds from that of the configuration on, in a new folder; return the results.

    All are validated on the same images: those that the first seed splits off.
    """
    asked = {"runs": runs, "first": config.seed}
    experiment = Experiment(kind=KIND, asked=asked, config=absolute(config), train=train, command=command)
    return _carry_out(experiment, out, None, workers)


def resume_restarts(
    place: Path, *, runs: int | None = None, workers: int | str = 1, data: str | Path | None = None
) -> dict[str, Any]:
    """Resume an experiment: finished runs are kept, a half-done one goes on; `runs` asks for more of them.

    `data` is where its images are now, if they have been moved.
    """
    experiment, record = read(place, KIND, ASKED, data)
    return _carry_out(extended(experiment, record, "runs", runs, place), None, place, workers)


def jobs(experiment: Experiment) -> list[Job]:
    """Return a job for each seed."""
    config, first = experiment.config, int(experiment.asked["first"])
    shared = first if config.data.validation_seed is None else config.data.validation_seed
    seeds = range(first, first + int(experiment.asked["runs"]))
    changes = {f"seed-{seed}": [f"seed={seed}", f"data.validation_seed={shared}"] for seed in seeds}
    return [make_job(name, config, assignments, experiment.train) for name, assignments in changes.items()]


def _carry_out(experiment: Experiment, out: Path | None, resume: Path | None, workers: int | str) -> dict[str, Any]:
    started = time.perf_counter()
    todo = jobs(experiment)
    with opened(experiment, out, resume) as place:
        outcomes = carry_out_all(experiment, place, todo, workers)
        results = _results(experiment, place, todo, outcomes)
        results["seconds"] = round(time.perf_counter() - started, 3)
        write(place, experiment, "finished", results=results)
    return results


def _results(experiment: Experiment, place: Path, todo: list[Job], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Compare the runs with each other and with their ensemble; the best is chosen by validation alone."""
    config = experiment.config
    rows = [{"seed": job.config.seed, **row(experiment, place, job.name, outcomes[job.name].results)} for job in todo]
    bundles = [place / job.name / "bundle" for job in todo]
    source = divided(todo[0].config, open_source(config.data.source)).usable.source
    splits = [split for split in ("validation", "test") if split in source.splits]
    together = {split: ensemble(bundles, source, split, config.device) for split in splits}
    metric = config.training.best
    best = max(rows, key=lambda found: found["score"] if spec(metric).better == "higher" else -found["score"])
    results: dict[str, Any] = {
        "experiment": str(place),
        "report": str(place / "report.html"),
        "runs": rows,
        "best": best["name"],
        **{split: spread([headline_value(found[split]) for found in rows]) for split in splits},
        "training_seconds": spread([found["seconds"] for found in rows]),
        "ensemble": {"bundles": [str(bundle) for bundle in bundles]}
        | {split: outcome.summary() for split, outcome in together.items()},
    }
    for split, outcome in together.items():
        outcome.write_csv(place / f"{split}.csv")
    _page(experiment, place, results, together)
    return results


def _page(experiment: Experiment, place: Path, results: Mapping[str, Any], together: Mapping[str, Pooled]) -> None:
    rows, best = results["runs"], results["best"]
    shown = list(together)[-1]
    found, all_of_them = results[shown], results["ensemble"][shown]
    metric, tiles = headline(all_of_them), []
    for split in together:
        tiles += [
            (f"Mean on {split}", written(results[split], metric)),
            (f"Ensemble on {split}", written_headline(results["ensemble"][split])),
            (
                f"Best run ({best}) on {split}",
                written_headline(next(run for run in rows if run["name"] == best)[split]),
            ),
        ]
    curves = _curves(place, rows, best, metric)
    lines = [("mean", found["mean"], "blue"), ("ensemble", headline_value(all_of_them), "orange")]
    entries = [(run["name"], *scored(run[shown])) for run in rows]
    entries.append(("ensemble", *scored(all_of_them)))
    header = ("run", *(f"{split} {metric.title}" for split in together), "best epoch", "training time")
    points = " points" if metric.unit == "share" else ""
    scatter = f", standard deviation {deviation(found['sd'], metric)}{points}" if found["sd"] is not None else ""
    content = Content(
        title=f"{len(rows)} restarts of {experiment.config.recipe}",
        value=found["mean"],
        percent=metric.unit == "share",
        words=[
            Markup("Mean {} of {} runs on the <b>{}</b> split{}.").format(metric.title, len(rows), shown, scatter),
            Markup("All together, by the mean of their probabilities: <b>{}</b>.").format(
                written_headline(all_of_them)
            ),
            f"The best run, {best}, was chosen on validation; test labels choose nothing.",
        ],
        tiles=tiles,
        figures=[
            (
                "runs",
                "Runs",
                "With 95 % intervals for the number of images.",
                scores(entries, lines, metric),
            ),
            *([("curves", "Validation", "Each line is a run, the best in blue.", curves)] if curves else []),
        ],
        header=header,
        rows=[
            (
                run["name"],
                *(written_headline(run[split]) for split in together),
                str(run["best_epoch"]),
                f"{run['seconds']:.1f} s",
            )
            for run in rows
        ],
        predictions=together[shown],
        predictions_note=f"The ensemble on the {shown} split.",
        experiment=experiment,
        commands=[
            ("More runs", f"{resume_command(KIND, place)} --runs {2 * len(rows)}"),
            ("The ensemble elsewhere", f"convworks evaluate {' '.join(results['ensemble']['bundles'])} --data SOURCE"),
        ],
        beside="validation.csv and test.csv hold the ensemble's predictions",
    )
    write_page(place, content)


def _curves(place: Path, rows: list[dict[str, Any]], best: str, metric: MetricSpec) -> Any:
    """Draw validation over the epochs of each run; None where none has more than one, which the table says better."""
    lines = {
        run["name"]: [(float(row["epoch"]), headline_value(row, "validation_")) for row in history(place / run["name"])]
        for run in rows
    }
    return overlaid(lines, best, metric) if max(map(len, lines.values())) > 1 else None
