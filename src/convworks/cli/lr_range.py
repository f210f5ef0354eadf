"""`convworks lr-range`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from convworks.api.lr_range import prepare_lr_range
from convworks.api.request import RunRequest
from convworks.cli.answer import Answer, table
from convworks.cli.output_path import failure, picture_path
from convworks.data.protect import protect
from convworks.errors import counted
from convworks.training.lr_range.config import NEVER_FELL

DEFAULT, SUFFIXES = Path("lr-range.png"), (".png", ".svg")


def run(request: RunRequest, *, lowest: float, highest: float, steps: int, out: Path | None, overwrite: bool) -> Answer:
    """Run the test, draw its curve, and report the learning rates that it suggests."""
    test = prepare_lr_range(request, lowest=lowest, highest=highest, steps=steps)
    path = picture_path("--out", out, DEFAULT, protect(test.source), suffixes=SUFFIXES, overwrite=overwrite)
    results = test.run()
    error = None
    if path is not None:
        from convworks.charts.draw_file import write_drawing
        from convworks.charts.lr_range import draw

        error = failure(partial(write_drawing, path, draw(results)))
        results |= {"curve": str(path)} if error is None else {}
    rows = [
        [
            "highest before the loss rises",
            _rate(results["edge"]),
            "suggested: the highest rate of a schedule" if results["edge"] else "",
        ],
        ["steepest descent", _rate(results["steepest"]), ""],
        ["a tenth of the rate with the lowest loss", _rate(results["tenth"]), ""],
    ]
    done = f"{len(results['losses'])} of {counted(results['steps'], 'step')} in {results['seconds']:.1f} s"
    ended = f"the loss diverged at {results['rates'][-1]:.2g}" if results["exploded"] else "the loss did not diverge"
    lines = [f"{results['model']} on {results['source']}: {done}; {ended}", "", table(["rule", "rate", ""], rows), ""]
    if results["unclear"]:
        lines.append(f"no rate is suggested: {results['unclear']}; {_remedy(results['unclear'], results['steps'])}")
    if results["falling"]:
        lines.append(f"the loss was still falling at {highest:g}: raise it with --to")
    if "curve" in results:
        lines.append(f"curve: {results['curve']}")
    return Answer(values=results, text="\n".join([*lines, f"next:  {results['next']}"]), error=error)


def _remedy(reason: str, steps: int) -> str:
    if reason == NEVER_FELL:
        return "begin lower, with --from"
    return f"take more than {steps} steps (--steps), or larger batches (training.batch_size)"


def _rate(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
