"""The tasks by name, and the task of a network on a source."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from convworks.data.source import Source
from convworks.errors import InputError, nearest
from convworks.metrics.spec import register as register_metrics
from convworks.models import MAKERS, family
from convworks.tasks.classification import CLASSIFICATION
from convworks.tasks.codes import variant
from convworks.tasks.multi_label import MULTI_LABEL
from convworks.tasks.reconstruction import RECONSTRUCTION
from convworks.tasks.segmentation import SEGMENTATION
from convworks.tasks.task import Task

#: In the order in which they are tried.
TASKS: dict[str, Task] = {
    task.name: task for task in (replace(RECONSTRUCTION, variant=variant), SEGMENTATION, MULTI_LABEL, CLASSIFICATION)
}


def register(task: Task) -> Task:
    """Register a task under its name, for bundles and `--set task=NAME`; return it."""
    TASKS[task.name] = task
    register_metrics((*task.metrics, task.score), headline=task.headline)
    return task


def named(name: str, where: str = "task") -> Task:
    """Return a task by its name, or raise InputError."""
    if name not in TASKS:
        reason = f"there is no task {name!r}{nearest(name, TASKS)}"
        raise InputError(where, reason, f"choose one of {', '.join(TASKS)}, or register your own before")
    return TASKS[name]


def task_of(config: Any, source: Source) -> Task:
    """Return the task of a run: the one it names, else the first that fits model and source.

    Raises InputError for an unknown name, and for a task that does not fit.
    """
    makes = output_kind(config.model)
    if config.task is not None:
        task = named(config.task)
        if task.fits is not None and not task.fits(makes, source):
            reason = f"{task.name} does not fit {config.model.name} on {source.name}"
            raise InputError("task", reason, "leave it out to derive it from network and source")
        return task
    suitable = (task for task in TASKS.values() if task.fits is not None and task.fits(makes, source))
    return next(suitable, CLASSIFICATION)


def is_trained(model: Any) -> bool:
    """Return whether a task trains this network: it reads images, and what it outputs has a task."""
    from convworks.models.catalogue import facts

    return facts(model.name).reads == "images" and output_kind(model) in ("logits", "map of logits", "images")


def output_kind(model: Any) -> str:
    """Return the kind of output: logits, images, or a map of logits."""
    if model.adapted:
        return str(model.adapted[-1].head.makes)
    if family(model.name) not in MAKERS:
        return "logits"
    from convworks.models.catalogue import facts

    known = facts(model.name)
    return known.makes if known.reads == "images" else f"{known.makes} of {known.reads}"
