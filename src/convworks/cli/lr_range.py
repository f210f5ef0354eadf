"""`convworks lr-range`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from convworks.api import lr_range
from convworks.cli.answer import Answer, table
from convworks.cli.place import check_place

SUFFIXES = (".png", ".svg")


def run(
    *,
    recipe: str | None,
    data: str | None,
    model: str | None,
    lowest: float,
    highest: float,
    steps: int,
    out: Path,
    device: str | None,
    seed: int | None,
    overrides: Iterable[str],
) -> Answer:
    """Run the test, draw its curve, and say which learning rate it suggests."""
    check_place("--out", out, SUFFIXES)
    found = lr_range(
        recipe,
        data=data,
        model=model,
        lowest=lowest,
        highest=highest,
        steps=steps,
        device=device,
        seed=seed,
        overrides=overrides,
    )
    from convworks.evaluate.draw_file import write_drawing
    from convworks.evaluate.range_picture import draw

    write_drawing(out, draw(found))
    found["curve"] = str(out)
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
    return Answer(values=found, text="\n".join([*lines, f"curve: {found['curve']}", f"next:  {found['next']}"]))


def _rate(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
