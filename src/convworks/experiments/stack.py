"""Greedy layer-wise training of an autoencoder, then training as a whole: a run for each layer and one for all.

Lecture 001 (stacked autoencoders), Hinton and Salakhutdinov 2006. Each run starts from the weights of the one before;
its bundle is an autoencoder of the layers so far.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from convworks.config import assignment, to_json
from convworks.errors import InputError
from convworks.experiments.job import Job, make_job
from convworks.experiments.record import Experiment, absolute, opened, read, write
from convworks.experiments.runs import carry_out_all, last_seconds
from convworks.models.catalogue import row
from convworks.training.config import RunConfig

KIND, WHOLE = "train", "whole"
OPTIONS = {"layers": int}


def stack(config: RunConfig, *, train: str, command: str, out: Path | None = None) -> dict[str, Any]:
    """Pre-train the layers of an autoencoder one by one, then train all of them, in a new folder.

    Returns the results of the last run, with those of the layers' runs in `layers`.
    """
    units(config)
    options = {"layers": len(units(config))}
    experiment = Experiment(kind=KIND, options=options, config=absolute(config), train=train, command=command)
    return _carry_out(experiment, out, None)


def resume_stack(folder: Path, data: str | Path | None = None) -> dict[str, Any]:
    """Resume in a folder: finished runs are kept, an unfinished one is resumed; `data` is the source, if moved."""
    experiment, record = read(folder, KIND, OPTIONS, data)
    if record["status"] == "finished":
        remedy = f"use its bundle: {folder / WHOLE / 'bundle'}"
        raise InputError(f"--resume {folder}", "all its layers are trained", remedy)
    return _carry_out(experiment, None, folder)


def units(config: RunConfig) -> tuple[int, ...]:
    """Return the units of each layer; InputError for a network that is not a stack of fully connected layers."""
    table = row(config.model.name, config.model.table)
    names = {field.name for field in dataclasses.fields(table)}
    if not {"units", "activation", "code", "decoder"} <= names:
        reason = f"{config.model.name} is not a stack of mirrored layers"
        raise InputError("training.pretraining", reason, "choose --model autoencoder_fc_deep, or leave it out")
    widths: tuple[int, ...] = table.units
    return widths


def jobs(experiment: Experiment, folder: Path) -> list[Job]:
    """Return the runs in order: `layer1` and so on, each with one more layer, and `whole`."""
    config = experiment.config
    pretraining, layers = config.training.pretraining, units(config)
    assert pretraining is not None
    table = row(config.model.name, config.model.table)
    stages = []
    for depth in range(1, len(layers) + 1):
        fields = {"units": layers[:depth], "code": table.activation if depth < len(layers) else table.code}
        below = [f"{stage}.layer{number}" for number in range(1, depth) for stage in ("encoder", "decoder")]
        values: dict[str, Any] = {
            "model.table": {**config.model.table, **fields},
            "model.start": _start(folder / f"layer{depth - 1}", below) if below else None,
            "data.corruption": to_json(pretraining.corruption) if pretraining.corruption is not None else None,
            "training.pretraining": None,
            "training.greedy": True,
            "training.epochs": pretraining.epochs,
            "training.best": "loss",
        }
        stages.append(_job(f"layer{depth}", experiment, values))
    whole = {
        "model.start": _start(folder / f"layer{len(layers)}", ["encoder", "decoder"]),
        "training.pretraining": None,
    }
    return [*stages, _job(WHOLE, experiment, whole)]


def _start(run: Path, layers: list[str]) -> dict[str, Any]:
    return {"path": str((run / "bundle").absolute()), "layers": tuple(layers)}


def _job(name: str, experiment: Experiment, values: dict[str, Any]) -> Job:
    changes = [assignment(field, value) for field, value in values.items()]
    return make_job(name, experiment.config, changes, experiment.train)


def _carry_out(experiment: Experiment, out: Path | None, resume: Path | None) -> dict[str, Any]:
    started = time.perf_counter()
    with opened(experiment, out, resume) as folder:
        stack_jobs = jobs(experiment, folder)
        outcomes = carry_out_all(experiment, folder, stack_jobs, 1, rivals=False)
        results = {
            **outcomes[WHOLE].results,
            "experiment": str(folder),
            "layers": [
                {
                    "run": str(folder / job.name),
                    "epochs": outcomes[job.name].results["epochs"],
                    "seconds": last_seconds(folder / job.name),
                    "validation": outcomes[job.name].results["validation"],
                    "test": outcomes[job.name].results["test"],
                }
                for job in stack_jobs[:-1]
            ],
            "seconds": round(time.perf_counter() - started, 3),
        }
        write(folder, experiment, "finished", results=results)
    return results
