"""The learning rate range test in Python."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.verbs import changes_of, configure, train_command
from convworks.data.source import Source
from convworks.hardware import refuse_torchrun

if TYPE_CHECKING:
    from convworks.training.config import RunConfig
    from convworks.training.lr_range.config import Sweep


def lr_range(
    recipe: str | None = None,
    *,
    data: str | Path | None = None,
    model: str | None = None,
    lowest: float = 1e-5,
    highest: float = 10.0,
    steps: int = 100,
    device: str | None = None,
    seed: int | None = None,
    overrides: Iterable[str] = (),
) -> dict[str, Any]:
    """Raise the learning rate from step to step until the loss explodes (Smith 2017); return what that says.

    {"suggestion", "edge", "steepest", "tenth", "rates", "losses", "smoothed", "exploded", "falling", "next", ...}:
    `edge` is the highest rate before the loss rises, which is suggested; `steepest` where it falls fastest, `tenth` a
    tenth of where it is lowest; None where it never fell. `next` is the command to train. The network is forgotten.
    """
    from convworks.training.lr_range.config import Sweep

    refuse_torchrun("convworks lr-range")
    began = time.perf_counter()
    sweep = Sweep(lowest=float(lowest), highest=float(highest), steps=steps)
    changes = changes_of(model, None, device, seed, False, overrides)
    config, source = configure(recipe, data, changes)
    return swept(config, source, sweep, train_command(config, recipe, data, changes), began)


def swept(config: RunConfig, source: Source, sweep: Sweep, command: str, began: float) -> dict[str, Any]:
    """Do what `lr_range` does for a configuration and a source; `command` trains with them."""
    from convworks.training.lr_range.sweep import sweep_source

    found = sweep_source(config, source, sweep)
    chosen = f" --set training.schedule.rate={found.suggestion:.2g}" if found.suggestion else ""
    return {
        "model": config.model.name,
        "source": source.name,
        "suggestion": found.suggestion,
        "edge": found.edge,
        "steepest": found.steepest,
        "tenth": found.tenth,
        "exploded": found.exploded,
        "falling": found.falling,
        "rates": list(found.rates),
        "losses": list(found.losses),
        "smoothed": list(found.smoothed),
        "next": command + chosen,
        "seconds": round(time.perf_counter() - began, 3),
    }
