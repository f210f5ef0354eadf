"""From a trained network to its results: predictions, bundle, report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convworks.bundle.bundle import Bundle, save_bundle
from convworks.config import to_json
from convworks.console import clock
from convworks.data.decode.images import take
from convworks.data.sources.ignoring import colours_of
from convworks.errors import counted
from convworks.files import write_text
from convworks.inference.answers import collect
from convworks.inference.held_out import DIVISION, division_of
from convworks.inference.runtime import TorchRuntime
from convworks.inference.seen import CHOSEN, images_of
from convworks.layers.normalisation.folded import folded
from convworks.metrics.spec import TOP1, spec, written_headline
from convworks.report.next_step import errors_folder, evaluate_command, predict_command, without_out
from convworks.report.report import KeptEpoch, ReportContent, write_report
from convworks.tasks.task import SplitContext
from convworks.training.fitting import fitting_of
from convworks.training.folder import resume_command
from convworks.training.progress import Progress, Row
from convworks.training.run_data import RunData
from convworks.training.selection import chosen_on_validation
from convworks.training.setup import Setup
from convworks.training.verdict import judge

#: The statistics of layers, one row a layer and step (statistics/event.py).
STATISTICS = "statistics.jsonl"


def write_results(
    path: Path,
    setup: Setup,
    data: RunData,
    progress: Progress,
    best: Row,
    facts: Mapping[str, Any],
    *,
    loading: float,
) -> dict[str, Any]:
    """Evaluate on validation and test, write bundle and report into the run folder, return the results."""
    started = time.perf_counter()
    network = folded(setup.evaluated)  # as `convworks.load` does
    runtime = TorchRuntime(network=network, input=setup.input, precision=setup.precision)
    outcomes = {
        name: collect(setup.task, runtime, data.splits[name], _known(name, setup, data))
        for name in ("validation", "test")
        if name in data.splits
    }
    results = {name: outcome.summary() for name, outcome in outcomes.items()}
    seconds = {
        "Loading": loading,
        "Training": progress.seconds,
        "Evaluation": time.perf_counter() - started,
    }
    bundle, chosen = path / "bundle", chosen_on_validation(setup.config, progress)
    save_bundle(bundle, _bundle(setup, data, progress, best, facts, {CHOSEN: chosen, **results}))
    reported = outcomes.get("test") or outcomes["validation"]
    images = data.splits[reported.split].images
    following = predict_command(bundle, data.source.splits[reported.split], setup.task.words.options)
    following = following or evaluate_command([bundle], setup.config.data.source, errors_folder(path))
    resume = resume_command(path)
    validation = outcomes["validation"]
    if progress.statistics:
        write_text(path / STATISTICS, "".join(line + "\n" for line in progress.statistics))
    judgement = judge(setup, data, progress, runtime, validation, results, reported.split, facts, resume=resume)
    page = write_report(
        path,
        ReportContent(
            title=f"{setup.config.model.title} on {data.source.name}",
            predictions=reported,
            figures=results[reported.split],
            image=lambda index: setup.input.picture(take(images, slice(index, index + 1))[0]),
            chosen=chosen,
            measured=judgement.measured if judgement else "",
            verdict=judgement.findings if judgement else None,
            history=_curves(progress) if fitting_of(setup.config).curve else [],
            kept=KeptEpoch(epoch=int(best["epoch"]), reason=_kept(setup, progress)),
            layers=[json.loads(line) for line in progress.statistics],
            facts=_tiles(setup, data, progress, best, results["validation"], facts),
            seconds=list(seconds.items()),
            configuration=to_json(setup.config),
            environment={**facts["environment"], "precision": facts["precision"], "seed": setup.config.seed},
            command=without_out(facts["command"]),
            command_note=_reproducible(setup, progress, facts),
            next_command=following,
            beside=[STATISTICS] if progress.statistics else [],
        ),
    )
    return {
        "run": str(path),
        "bundle": str(bundle),
        "report": str(page),
        "parameters": facts["parameters"],
        "epochs": progress.epoch,
        "best_epoch": best["epoch"],
        "validation": results["validation"],
        "test": results.get("test"),
        "next": following,
        "verdict": [finding._asdict() for finding in judgement.findings] if judgement else [],
    }


def _epochs(setup: Setup, progress: Progress) -> str:
    """Return the epochs of a run, as `28 of 80` if it ended before the last."""
    planned = setup.config.training.epochs
    return str(planned) if progress.epoch == planned else f"{progress.epoch} of {planned}"


def _kept(setup: Setup, progress: Progress) -> str:
    """Say why the epoch that was kept is not the best one on validation; empty where the best is kept."""
    training = setup.config.training
    if training.kept == "best" or progress.epoch < 2:
        return ""
    metric = spec(training.best)
    best = progress.ranked(training.best)[0]
    if best["epoch"] == progress.epoch:
        return ""
    written = metric.write(best[f"validation_{training.best}"])
    return (
        "The last epoch is kept, so validation chose nothing "
        f"(the best {metric.title} on validation: {written}, epoch {best['epoch']})."
    )


def _reproducible(setup: Setup, progress: Progress, facts: Mapping[str, Any]) -> str:
    """Say why the command of a run trains another network than this; empty where it trains the same."""
    planned, begun = setup.config.training.epochs, facts["begun_with"]
    if facts.get("finished_early"):
        done = f"This run was stopped after {progress.epoch} of {counted(planned, 'epoch')}"
        return f"{done}; the command trains all {begun}, which gives another network."
    if planned != begun:
        changed = f"This run was resumed with {counted(planned, 'epoch')} instead of {begun}"
        return f"{changed}, which changed its schedule midway; the command trains {begun}, which gives another network."
    return ""


def _known(name: str, setup: Setup, data: RunData) -> SplitContext:
    """Return what the task needs to know about a split."""
    return SplitContext(
        split=data.source.splits[name], name=name, classes=data.source.classes, corruption=setup.corruption
    )


def _bundle(
    setup: Setup, data: RunData, progress: Progress, best: Row, facts: Mapping[str, Any], results: Mapping[str, Any]
) -> Bundle:
    """Return the bundle of a run, with the record of how it was trained and what it was measured at."""
    record = {
        "source": data.source.name,
        "recipe": setup.config.recipe,
        "seed": setup.config.seed,
        "epochs": progress.epoch,
        "best_epoch": best["epoch"],
        "kept": setup.config.training.kept,
        "parameters": facts["parameters"],
        "macs": facts["macs"],
        "convworks": facts["environment"]["convworks"],
        "precision": facts["precision"],
        **images_of(data.source),
        **({DIVISION: division_of(setup.config.data, setup.config.seed)} if data.held_out else {}),
        **_origin(setup),
        **results,
    }
    return Bundle(
        network=setup.evaluated,
        model=setup.config.model.model_copy(update={"start": None, "initialiser": None}),  # of training alone
        preprocessing=setup.preprocessing,
        classes=data.source.classes,
        task=setup.task,
        corruption=setup.corruption,
        ignore=setup.config.data.ignore,
        colours=colours_of(data.source.splits["train"]),
        record=record,
    )


def _origin(setup: Setup) -> dict[str, Any]:
    """Return the origin of a transferred network: its bundle, the cut and the frozen layers; empty for others."""
    model = setup.config.model
    if model.cut is None:
        return {}
    path = Path(model.start.path).name if model.start and model.start.path else None
    return {"transfer": {"from": path, "cut": model.cut, "frozen": setup.config.training.freeze}}


def _curves(progress: Progress) -> list[dict[str, float | int]]:
    """Return the rows of the curves: several training points an epoch, then the validation of each epoch."""
    validated = [{k: v for k, v in row.items() if k.startswith(("epoch", "validation_"))} for row in progress.history]
    return [*progress.curve, *validated]


def _tiles(
    setup: Setup,
    data: RunData,
    progress: Progress,
    best: Row,
    validation: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> list[tuple[str, str]]:
    """Return the titles and texts of the summary tiles of the report."""
    metric = setup.task.headline
    named = "" if metric is TOP1 else f" {metric.title}"
    rates = sorted(row["images_per_second"] for row in progress.history)
    return [
        ("Network", setup.config.model.title),
        ("Parameters", f"{facts['parameters']:,}"),
        ("MACs per image", f"{facts['macs']:,}"),
        ("Images in training", f"{len(setup.train):,}"),
        ("Images in validation", "\n".join(filter(None, (f"{len(setup.validation):,}", data.held_out)))),
        ("Input", "x".join(map(str, (setup.input.channels, *setup.input.size)))),
        ("Epochs", f"{_epochs(setup, progress)} ({setup.config.training.kept}: {best['epoch']})"),
        (f"Validation{named}", written_headline(validation)),
        ("Images/s", f"{rates[len(rates) // 2]:,.0f}"),
        ("Training time", clock(progress.seconds)),
    ]
