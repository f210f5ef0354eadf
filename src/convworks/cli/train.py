"""`convworks train`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from convworks.api.request import RunRequest
from convworks.api.train import run_train
from convworks.cli.answer import Answer
from convworks.cli.metrics import accuracy_line
from convworks.metrics.spec import headline


def run(request: RunRequest) -> Answer:
    """Train, and return where the results are."""
    return answer(run_train(request))


def answer(results: dict[str, Any]) -> Answer:
    """Return the accuracy of a run, and where its results are."""
    if not results:  # under torchrun, only the first process answers
        return Answer(values={}, text="", silent=True)
    lines = [accuracy_line(split, results[split]) for split in ("validation", "test") if results[split]]
    lines += [f"{each['title'].lower()}: try {each['command']}" for each in results.get("verdict", ())]
    lines += [
        f"bundle: {results['bundle']}",
        f"report: {results['report']}",
        f"next:   convworks predict {shlex.quote(results['bundle'])} IMAGE...{_folder(results)}",
    ]
    return Answer(values=results, text="\n".join(lines))


def _folder(results: Mapping[str, Any]) -> str:
    """Return the option for the output folder, if the network generates images."""
    from convworks.tasks.registry import TASKS

    first = headline(results["validation"])
    return next((task.words.options for task in TASKS.values() if task.headline is first), "")
