"""`convworks lr-range`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from convworks.api.lr_range import swept
from convworks.api.verbs import changes_of, configure, train_command
from convworks.cli.answer import Answer, table
from convworks.cli.place import failure, picture_place
from convworks.data.protect import protect
from convworks.hardware import refuse_torchrun
from convworks.training.lr_range.config import Sweep

DEFAULT, SUFFIXES = Path("lr-range.png"), (".png", ".svg")


def run(
    *,
    recipe: str | None,
    data: str | None,
    model: str | None,
    lowest: float,
    highest: float,
    steps: int,
    out: Path | None,
    overwrite: bool,
    device: str | None,
    seed: int | None,
    overrides: Iterable[str],
) -> Answer:
    """Run the test, draw its curve, and say which learning rate it suggests."""
    refuse_torchrun("convworks lr-range")
    began = time.perf_counter()
    sweep = Sweep(lowest=lowest, highest=highest, steps=steps)
    changes = changes_of(model, None, device, seed, False, overrides)
    config, source = configure(recipe, data, changes)
    path = picture_place("--out", out, DEFAULT, protect(source), suffixes=SUFFIXES, overwrite=overwrite)
    found = swept(config, source, sweep, train_command(config, recipe, data, changes), began)
    error = None
    if path is not None:
        from convworks.charts.draw_file import write_drawing
        from convworks.charts.lr_range import draw

        error = failure(partial(write_drawing, path, draw(found)))
        found |= {"curve": str(path)} if error is None else {}
    never = "" if found["suggestion"] else "the loss never fell: begin lower, with --from"
    rows = [
        ["highest before the loss rises", _rate(found["edge"]), never or "suggested: the highest rate of a schedule"],
        ["steepest descent", _rate(found["steepest"]), ""],
        ["a tenth of the lowest loss's", _rate(found["tenth"]), ""],
    ]
    done = f"{len(found['losses'])} of {steps} steps in {found['seconds']:.1f} s"
    ended = f"the loss exploded at {found['rates'][-1]:.2g}" if found["exploded"] else "the loss did not explode"
    lines = [f"{found['model']} on {found['source']}: {done}; {ended}", "", table(["rule", "rate", ""], rows), ""]
    if found["falling"]:
        lines.append(f"the loss was still falling at {highest:g}: raise it with --to")
    if "curve" in found:
        lines.append(f"curve: {found['curve']}")
    return Answer(values=found, text="\n".join([*lines, f"next:  {found['next']}"]), error=error)


def _rate(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
