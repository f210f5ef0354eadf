"""The results of a landscape: the grid around the path of a run, the picture and the archive."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np

from convworks.charts.draw_file import write_drawing
from convworks.charts.landscape import Path as RunPath
from convworks.charts.landscape import profile, surface
from convworks.errors import counted
from convworks.explain.landscape.measure import Landscape, read_rows
from convworks.explain.landscape.plan import evenly, json_number
from convworks.files import write_bytes

PICTURE, VECTOR, NUMBERS = "landscape.png", "landscape.svg", "landscape.npz"
ROOM = 0.25  # from the path of a run to the border, as a fraction of its extent


def around(landscape: Landscape) -> Landscape:
    """Return the landscape with its grid around the path of the run; one in random directions as it is."""
    path = landscape.trajectory
    if path is None:
        return landscape
    low, high = path.positions.min(0), path.positions.max(0)
    room = ROOM * float((high - low).max())
    across, down = (
        evenly(float(low[axis]) - room, float(high[axis]) + room, len(landscape.plan.across)) for axis in (0, 1)
    )
    return dataclasses.replace(landscape, plan=dataclasses.replace(landscape.plan, across=across, down=down))


def write_results(landscape: Landscape, folder: Path) -> dict[str, Any]:
    """Draw what was measured, write its numbers, and return the answer of the command."""
    plan, problem = landscape.plan, landscape.problem
    metric, images = problem.task.headline, len(problem.samples)
    values = read_rows(folder, plan, metric.name)
    loss = values["loss"]
    title = f"Loss around the weights of {problem.predictor.bundle.model.title}"
    note = f"{counted(images, 'image')} of {problem.source} ({problem.split})"
    arrays: dict[str, Any] = {"across": np.array(plan.across), "down": np.array(plan.down), **values}
    answer: dict[str, Any] = {}
    path = None
    if landscape.trajectory is not None:
        run = landscape.trajectory
        losses = landscape.along_the_run()
        path = RunPath(steps=run.steps, positions=run.positions, **losses)
        arrays |= {"steps": np.array(run.steps), "positions": run.positions}
        arrays |= {f"loss_{key}": np.array(each) for key, each in losses.items()}
        answer = {
            "steps": list(run.steps),
            "variance": list(run.variance),
            **{f"loss_{key}": [json_number(value) for value in each] for key, each in losses.items()},
        }
        axes = tuple(f"component {n}: {part:.0%} of the movement" for n, part in enumerate(run.variance, 1))
    else:
        axes = ("first random direction, in lengths of the filters", "second random direction")
    if len(plan.down) > 1:
        drawing = surface(plan.across, plan.down, loss, title=title, note=note, axes=(axes[0], axes[1]), path=path)
    else:
        drawing = profile(plan.across, loss[0], values[metric.name][0], title=title, note=note, name=metric.title)
    for name in (PICTURE, VECTOR):
        write_drawing(folder / name, drawing)
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    write_bytes(folder / NUMBERS, archive.getvalue())
    finite = loss[np.isfinite(loss)]
    return {
        "out": str(folder),
        "picture": str(folder / PICTURE),
        "vector": str(folder / VECTOR),
        "numbers": str(folder / NUMBERS),
        "points": int(loss.size),
        "not_finite": int(loss.size - finite.size),
        "source": problem.source,
        "split": problem.split,
        "images": images,
        "loss": {"lowest": float(finite.min()), "highest": float(finite.max())} if finite.size else None,
        **answer,
    }
