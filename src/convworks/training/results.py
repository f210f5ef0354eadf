"""From a trained network to its results: predictions, bundle, report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from convworks.bundle.bundle import Bundle, save_bundle
from convworks.config import to_json
from convworks.console import clock
from convworks.data.decode.images import take
from convworks.inference.logits import probabilities
from convworks.inference.reconstruct import look
from convworks.inference.seen import IMAGES, images_of
from convworks.layers.normalisation.folded import folded
from convworks.metrics.headline import NAMES, main, reached
from convworks.report.report import ReportContent, write_report
from convworks.tasks.multi_label import Predicted, make_predictions
from convworks.tasks.reconstruction import Reconstructions
from convworks.tasks.summary import summary
from convworks.training.loop import Setup
from convworks.training.progress import Progress, Row
from convworks.training.run_data import Material
from convworks.training.svm.head import is_machine


def finish(
    path: Path,
    setup: Setup,
    material: Material,
    progress: Progress,
    best: Row,
    facts: Mapping[str, Any],
    *,
    loading: float,
) -> dict[str, Any]:
    """Evaluate on validation and test, write bundle and report into the run folder, return the results."""
    started = time.perf_counter()
    network = folded(setup.evaluated)  # as `convworks.load` does
    measured = [name for name in ("validation", "test") if name in material.splits]
    predictions = {name: _predict(name, network, setup, material) for name in measured}
    results = {name: summary(found) for name, found in predictions.items()}
    seconds = {
        "Loading": loading,
        "Training": progress.seconds,
        "Evaluation": time.perf_counter() - started,
    }
    bundle, classes = path / "bundle", material.source.classes
    record = {
        "source": material.source.name,
        "recipe": setup.config.recipe,
        "seed": setup.config.seed,
        "epochs": progress.epoch,
        "best_epoch": best["epoch"],
        "kept": setup.config.training.kept,
        "parameters": facts["parameters"],
        "macs": facts["macs"],
        "convworks": facts["environment"]["convworks"],
        "precision": facts["precision"],
        IMAGES: images_of(material.source),
        **_origin(setup),
        **results,
    }
    save_bundle(
        bundle,
        Bundle(
            network=setup.evaluated,
            model=setup.config.model.model_copy(update={"start": None, "initialiser": None}),  # of training alone
            preprocessing=setup.preprocessing,
            classes=classes,
            several=material.source.several,
            makes="images" if setup.train.asked == "images" else "logits",
            corruption=setup.corruption,
            record=record,
        ),
    )
    shown = predictions.get("test") or predictions["validation"]
    images = material.splits[shown.split].images
    where = " --out DIR" if isinstance(shown, Reconstructions) else ""
    page = write_report(
        path,
        ReportContent(
            title=f"{setup.config.model.title} on {material.source.name}",
            predictions=shown,
            figures=results[shown.split],
            image=lambda index: take(images, slice(index, index + 1))[0].permute(1, 2, 0).cpu().numpy(),
            chosen=_chosen(setup),
            history=[] if is_machine(setup.config.model) else _curves(progress),
            facts=_tiles(setup, progress, best, facts),
            seconds=list(seconds.items()),
            configuration=to_json(setup.config),
            environment={**facts["environment"], "precision": facts["precision"], "seed": setup.config.seed},
            command=facts["command"],
            next_command=f"convworks predict {bundle} IMAGE...{where}",
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
    }


def _predict(name: str, network: nn.Module, setup: Setup, material: Material) -> Predicted | Reconstructions:
    split = material.source.splits[name]
    images = material.splits[name].images
    if material.splits[name].asked == "images":
        corruption = setup.corruption
        given = setup.preprocessing
        return look(network, images, given, setup.precision, split=name, names=split.names, corruption=corruption)
    return make_predictions(
        split=name,
        names=split.names,
        classes=material.source.classes,
        labels=split.labels,
        probabilities=probabilities(network, images, setup.preprocessing, setup.precision, setup.task),
    )


def _origin(setup: Setup) -> dict[str, Any]:
    """Say of a transferred network where it comes from, and what of it stayed as it was."""
    model = setup.config.model
    if model.cut is None:
        return {}
    path = Path(model.start.path).name if model.start and model.start.path else None
    return {"transfer": {"from": path, "cut": model.cut, "frozen": setup.config.training.freeze}}


def _chosen(setup: Setup) -> str:
    """Name what validation chose."""
    if is_machine(setup.config.model):
        return "the machine's cost and scale"
    return "the checkpoint" if setup.config.training.kept == "best" else ""


def _curves(progress: Progress) -> list[dict[str, float | int]]:
    """Return training from its finer points, validation from the epochs."""
    validated = [{k: v for k, v in row.items() if k.startswith(("epoch", "validation_"))} for row in progress.history]
    return [*progress.curve, *validated]


def _tiles(setup: Setup, progress: Progress, best: Row, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the report shows at a glance."""
    height, width = setup.preprocessing.size
    named = "" if (metric := main(best, "validation_")) == "top1" else f" {NAMES[metric]}"
    rates = sorted(row["images_per_second"] for row in progress.history)
    return [
        ("Network", setup.config.model.title),
        ("Parameters", f"{facts['parameters']:,}"),
        ("MACs per image", f"{facts['macs']:,}"),
        ("Images in training", f"{len(setup.train):,}"),
        ("Input", f"{setup.preprocessing.channels}x{height}x{width}"),
        ("Epochs", f"{progress.epoch} ({setup.config.training.kept}: {best['epoch']})"),
        (f"Validation{named}", reached(best, "validation_")),
        ("Images/s", f"{rates[len(rates) // 2]:,.0f}"),
        ("Training time", clock(progress.seconds)),
    ]
