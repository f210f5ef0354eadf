"""`convworks train`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from convworks.api.verbs import train
from convworks.cli.answer import Answer, accuracy_line
from convworks.metrics.spec import headline


def run(
    *,
    recipe: str | None,
    model: str | None,
    data: str | None,
    epochs: str | None,
    out: Path | None,
    resume: Path | None,
    device: str | None,
    seed: int | None,
    deterministic: bool,
    skip_damaged: bool,
    overrides: Iterable[str],
) -> Answer:
    """Train, and say where the results are."""
    found = train(
        recipe,
        data=data,
        model=model,
        epochs=epochs,
        out=out,
        resume=resume,
        device=device,
        seed=seed,
        deterministic=deterministic,
        skip_damaged=skip_damaged,
        overrides=overrides,
        command=shlex.join(["convworks", *sys.argv[1:]]),
    )
    return answer(found)


def answer(found: dict[str, Any]) -> Answer:
    """Say how good the network of a run is, and where its results are."""
    if not found:  # a process of torchrun that is not the first: that one answers
        return Answer(values={}, text="", silent=True)
    lines = [accuracy_line(split, found[split]) for split in ("validation", "test") if found[split]]
    lines += [
        f"bundle: {found['bundle']}",
        f"report: {found['report']}",
        f"next:   convworks predict {shlex.quote(found['bundle'])} IMAGE...{_folder(found)}",
    ]
    return Answer(values=found, text="\n".join(lines))


def _folder(found: Mapping[str, Any]) -> str:
    """Return the option that says where images go, for a network that makes some."""
    from convworks.tasks.registry import TASKS

    first = headline(found["validation"])
    return next((task.words.options for task in TASKS.values() if task.headline is first), "")
