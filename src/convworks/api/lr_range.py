"""`convworks.lr_range`: the learning rate range test."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convworks.api.request import RunRequest
from convworks.data.source import Source
from convworks.errors import brief
from convworks.hardware import refuse_torchrun
from convworks.training.config import RunConfig
from convworks.training.lr_range.config import Sweep


@brief
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
    skip_damaged: bool | float = False,
    overrides: Iterable[str] = (),
) -> dict[str, Any]:
    """Raise the learning rate from step to step until the loss explodes (Smith 2017); return the rates it suggests.

    {"suggestion", "edge", "steepest", "tenth", "rates", "losses", "smoothed", "exploded", "falling", "unclear",
    "steps", "next", ...}: `edge` is the highest rate before the loss rises, which is suggested; `steepest` where it
    falls fastest, `tenth` a tenth of where it is lowest. Where the loss is too noisy to read, the test is repeated with
    twice and four times the `steps`; if that does not help, these are None and `unclear` is the reason. `next` is the
    command to train. The network is discarded.
    """
    return prepare_lr_range(RunRequest.of(locals()), lowest=lowest, highest=highest, steps=steps).run()


def prepare_lr_range(request: RunRequest, *, lowest: float, highest: float, steps: int) -> PreparedTest:
    """Check the request, open its source, and return the test, ready to run."""
    refuse_torchrun("convworks lr-range")
    began = time.perf_counter()
    sweep = Sweep(lowest=float(lowest), highest=float(highest), steps=steps)
    config, source = request.configure()
    return PreparedTest(config=config, source=source, sweep=sweep, command=request.train_command(), began=began)


@dataclass(frozen=True, kw_only=True)
class PreparedTest:
    """A range test with its source open; `command` trains with the same configuration."""

    config: RunConfig
    source: Source
    sweep: Sweep
    command: str
    began: float

    def run(self) -> dict[str, Any]:
        """Run the test; return what `lr_range` returns."""
        from convworks.training.lr_range.sweep import sweep_source

        result = sweep_source(self.config, self.source, self.sweep)
        rate = f" --set training.schedule.rate={result.suggestion:.2g}" if result.suggestion else ""
        return {
            "model": self.config.model.name,
            "source": self.source.name,
            "suggestion": result.suggestion,
            "edge": result.edge,
            "steepest": result.steepest,
            "tenth": result.tenth,
            "exploded": result.exploded,
            "falling": result.falling,
            "unclear": result.unclear or None,
            "steps": result.planned,
            "rates": list(result.rates),
            "losses": list(result.losses),
            "smoothed": list(result.smoothed),
            "next": self.command + rate,
            "seconds": round(time.perf_counter() - self.began, 3),
        }
