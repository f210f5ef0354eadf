"""What the rules of its task say about a run that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from convworks.data.inputs.kinds import input_of
from convworks.data.sources.split_names import TRAIN, VALIDATION
from convworks.data.targets.samples import with_targets
from convworks.inference.answers import answers
from convworks.inference.runtime import Runtime
from convworks.pages.verdict import Finding
from convworks.tasks.again import again
from convworks.tasks.evidence import Evidence, measured
from convworks.tasks.outcome import Outcome
from convworks.tasks.verdict import verdict
from convworks.training.fitting import fitting_of
from convworks.training.progress import Progress
from convworks.training.run_data import RunData
from convworks.training.setup import Setup
from convworks.training.world import ALONE

#: Training images that are measured without augmentation, spread evenly.
MEASURED = 1_000


class Verdict(NamedTuple):
    """What was measured, in a line, and what follows from it."""

    measured: str
    findings: list[Finding]


@torch.no_grad()
def judge(
    setup: Setup,
    data: RunData,
    progress: Progress,
    runtime: Runtime,
    validation: Outcome,
    results: Mapping[str, Mapping[str, Any]],
    reported: str,
    facts: Mapping[str, Any],
    *,
    resume: str,
) -> Verdict | None:
    """Measure some training images, and ask the rules; None for a task without rules, or an unknown command.

    `results` are the metrics of each split, of which the page shows `reported`; `facts` are those of run.json;
    `resume` is the command that completes a run which was ended early.
    """
    words = again(facts["command"], setup.config)
    if not setup.task.rules or words is None:
        return None
    evidence = Evidence(
        metric=setup.task.headline,
        train=_training_metrics(setup, data, runtime),
        validation=validation,
        metrics=results[VALIDATION],
        reported=results[reported],
        split=reported,
        images=len(setup.train),
        counts=setup.task.target.counts(data.source).tolist(),
        history=progress.history if fitting_of(setup.config).curve else (),
        shortened=setup.config.training.epochs < facts["begun_with"],
        resume=resume if facts.get("finished_early") else "",
        config=setup.config,
        size=setup.preprocessing.size,
        channels=setup.preprocessing.channels,
        again=words,
    )
    return Verdict(measured(evidence), verdict(setup.task.rules, evidence))


def _training_metrics(setup: Setup, data: RunData, runtime: Runtime) -> dict[str, float]:
    """Return the metrics of the task on training images as predictions read them, not augmented."""
    train = setup.train
    chosen = np.unique(np.linspace(0, len(train) - 1, min(len(train), MEASURED)).astype(int))
    samples, which = train, chosen.tolist()
    if tuple(train.images.shape[2:]) != setup.preprocessing.size:  # stored larger, for random crops
        split = data.source.splits[TRAIN].select(chosen)
        opened = input_of(setup.preprocessing).open(split, always=True)
        samples, _ = with_targets(opened, setup.task.target, split, setup.preprocessing)
        which = list(range(len(chosen)))
    meter = setup.task.meter(setup.classes, len(chosen))
    for answered in answers(runtime, samples, corruption=setup.corruption, which=which):
        meter.update(answered)
    return meter.reduce(ALONE)
