"""`convworks train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convworks.api.request import RunRequest
from convworks.api.train import run_train
from convworks.cli.answer import Answer
from convworks.cli.metrics import accuracy_line


def run(request: RunRequest, *, finish: bool = False) -> Answer:
    """Train, and return where the results are."""
    return answer(run_train(request, finish=finish))


def answer(results: dict[str, Any]) -> Answer:
    """Return the accuracy of a run, and where its results are."""
    if not results:  # under torchrun, only the first process answers
        return Answer(values={}, text="", silent=True)
    lines = [accuracy_line(split, results[split]) for split in ("validation", "test") if results[split]]
    lines += _advice(results.get("verdict", ()))
    lines += [
        f"bundle: {results['bundle']}",
        f"report: {results['report']}",
        *([f"next:   {results['next']}"] if "next" in results else []),  # runs of earlier versions have none
    ]
    return Answer(values=results, text="\n".join(lines))


def _advice(findings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a line for each command of the verdict, with all findings that it is for."""
    titles: dict[str, list[str]] = {}
    for each in findings:
        titles.setdefault(each["command"], []).append(each["title"].lower())
    return [f"{', '.join(names)}: try {command}" for command, names in titles.items()]
