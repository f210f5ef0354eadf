"""`convworks train`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from convworks.api.request import RunRequest
from convworks.api.train import run_train
from convworks.cli.answer import Answer, accuracy_line
from convworks.metrics.spec import headline


def run(request: RunRequest) -> Answer:
    """Train, and say where the results are."""
    return answer(run_train(request))


def answer(results: dict[str, Any]) -> Answer:
    """Say how good the network of a run is, and where its results are."""
    if not results:  # a process of torchrun that is not the first: that one answers
        return Answer(values={}, text="", silent=True)
    lines = [accuracy_line(split, results[split]) for split in ("validation", "test") if results[split]]
    lines += [
        f"bundle: {results['bundle']}",
        f"report: {results['report']}",
        f"next:   convworks predict {shlex.quote(results['bundle'])} IMAGE...{_folder(results)}",
    ]
    return Answer(values=results, text="\n".join(lines))


def _folder(results: Mapping[str, Any]) -> str:
    """Return the option that says where images go, for a network that makes some."""
    from convworks.tasks.registry import TASKS

    first = headline(results["validation"])
    return next((task.words.options for task in TASKS.values() if task.headline is first), "")
