"""An autoencoder trained layer by layer, unrolled, then as a whole: a run for each layer and one for all.

Lecture 001 (stacked autoencoders), Hinton and Salakhutdinov 2006. Each run begins with what the one before it found;
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
ASKED = {"layers": int}


def stack(config: RunConfig, *, train: str, command: str, out: Path | None = None) -> dict[str, Any]:
    """Pre-train the layers of an autoencoder one by one, then train all of them, in a new folder.

    Returns the results of the last run, and what the layers were in `layers`.
    """
    units(config)
    asked = {"layers": len(units(config))}
    experiment = Experiment(kind=KIND, asked=asked, config=absolute(config), train=train, command=command)
    return _carry_out(experiment, out, None)


def resume_stack(place: Path, data: str | Path | None = None) -> dict[str, Any]:
    """Resume in a folder: finished runs are kept, a half-done one goes on; `data` is where the images are now."""
    experiment, record = read(place, KIND, ASKED, data)
    if record["status"] == "finished":
        remedy = f"use its bundle: {place / WHOLE / 'bundle'}"
        raise InputError(f"--resume {place}", "all its layers are trained", remedy)
    return _carry_out(experiment, None, place)


def units(config: RunConfig) -> tuple[int, ...]:
    """Return the units of each layer; InputError for a network that is no stack of fully connected layers."""
    table = row(config.model.name, config.model.table)
    names = {field.name for field in dataclasses.fields(table)}
    if not {"units", "activation", "code", "decoder"} <= names:
        reason = f"{config.model.name} is no stack of layers that mirror each other"
        raise InputError("training.pretraining", reason, "choose --model autoencoder_fc_deep, or leave it out")
    found: tuple[int, ...] = table.units
    return found


def jobs(experiment: Experiment, place: Path) -> list[Job]:
    """Return the runs in their order: `layer1` and so on, each with one layer more, and `whole`."""
    config = experiment.config
    pretraining, layers = config.training.pretraining, units(config)
    assert pretraining is not None
    table = row(config.model.name, config.model.table)
    found = []
    for depth in range(1, len(layers) + 1):
        kept = {"units": layers[:depth], "code": table.activation if depth < len(layers) else table.code}
        below = [f"{stage}.layer{number}" for number in range(1, depth) for stage in ("encoder", "decoder")]
        values: dict[str, Any] = {
            "model.table": {**config.model.table, **kept},
            "model.start": _start(place / f"layer{depth - 1}", below) if below else None,
            "data.corruption": to_json(pretraining.corruption) if pretraining.corruption is not None else None,
            "training.pretraining": None,
            "training.greedy": True,
            "training.epochs": pretraining.epochs,
            "training.best": "loss",
        }
        found.append(_job(f"layer{depth}", experiment, values))
    whole = {"model.start": _start(place / f"layer{len(layers)}", ["encoder", "decoder"]), "training.pretraining": None}
    return [*found, _job(WHOLE, experiment, whole)]


def _start(run: Path, layers: list[str]) -> dict[str, Any]:
    return {"path": str((run / "bundle").absolute()), "layers": tuple(layers)}


def _job(name: str, experiment: Experiment, values: dict[str, Any]) -> Job:
    changes = [assignment(field, value) for field, value in values.items()]
    return make_job(name, experiment.config, changes, experiment.train)


def _carry_out(experiment: Experiment, out: Path | None, resume: Path | None) -> dict[str, Any]:
    started = time.perf_counter()
    with opened(experiment, out, resume) as place:
        todo = jobs(experiment, place)
        outcomes = carry_out_all(experiment, place, todo, 1, rivals=False)
        results = {
            **outcomes[WHOLE].results,
            "experiment": str(place),
            "layers": [
                {
                    "run": str(place / job.name),
                    "epochs": outcomes[job.name].results["epochs"],
                    "seconds": last_seconds(place / job.name),
                    "validation": outcomes[job.name].results["validation"],
                    "test": outcomes[job.name].results["test"],
                }
                for job in todo[:-1]
            ],
            "seconds": round(time.perf_counter() - started, 3),
        }
        write(place, experiment, "finished", results=results)
    return results
