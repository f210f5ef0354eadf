"""The loss around the weights of a bundle, in Python."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from convworks.bundle.description import folder_of, read_description
from convworks.bundle.pretrained import locate
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.sources.open import open_source
from convworks.errors import InputError, brief, nearest
from convworks.explain.landscape.plan import Plan, evenly, read_plan
from convworks.explain.seed import check_seed
from convworks.files import expand
from convworks.outputs import Protected, as_path, check_new_folder, numbered

DIRECTIONS = ("random", "trajectory")
DEFAULT = Path("landscape")


@brief
def landscape(
    bundle: str | Path,
    *,
    data: str | Path,
    split: str | None = None,
    images: int = 1000,
    dimensions: int = 2,
    points: int = 25,
    span: float = 1.0,
    directions: str = "random",
    seed: int = 0,
    workers: int = 1,
    out: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    precision: str = "auto",
) -> dict[str, Any]:
    """Measure the loss around the weights of a bundle, and draw it (Li et al. 2018; docs/features.md).

    `bundle` is the folder of a bundle or a run, or published weights such as "resnet20:cifar10".
    `directions` are random, normalised by filter, from -`span` to `span`; or trajectory: the principal plane of the
    checkpoints of a run. The loss is the first of the task, without label smoothing, on `images` images of a split
    (default: the first that exists of test, validation, train and all). `out` is a new folder for landscape.png, .svg
    and .npz; `resume` measures what is missing in it. `workers` are processes. Returns {"out", "picture", "vector",
    "numbers", "points", "split", "images", "loss", ...}.
    """
    began = time.perf_counter()
    if directions not in DIRECTIONS:
        remedy = f"choose one of {', '.join(DIRECTIONS)}"
        raise InputError("--directions", f"there is no {directions!r}{nearest(directions, DIRECTIONS)}", remedy)
    if directions == "trajectory" and dimensions == 1:
        raise InputError("--dimensions", "is 1, but a trajectory is drawn in a plane", "leave it out")
    for option, value, least in (("--images", images, 1), ("--points", points, 3), ("--workers", workers, 1)):
        if value < least:
            raise InputError(option, f"is {value}", f"give at least {least}")
    if not 0 < span < math.inf:
        raise InputError("--span", f"is {span:g}", "give a number above 0")
    check_seed(seed)
    text = expand(str(data))
    read = protect(open_source(text, report=downloading()))
    where = locate(bundle, downloading())
    description, _ = read_description(where)
    folder = as_path("--out", out) or (DEFAULT if resume else numbered(DEFAULT))
    begun = read_plan(folder) if resume else None
    if begun is None:
        check_new_folder("--out", folder, read + Protected(folders=(folder_of(where),)))
    line = evenly(-span, span, points)
    plan = Plan(
        bundle=str(where),
        weights=description["weights_sha256"],
        data=text,
        split=split,
        images=images,
        directions=directions,
        seed=seed,
        device=device,
        precision=precision,
        across=line,
        down=line if dimensions == 2 else (0.0,),
    )
    from convworks.explain.landscape.measure import open_landscape
    from convworks.explain.landscape.results import around, write_results
    from convworks.explain.landscape.workers import measure

    opened = around(open_landscape(plan))
    if begun is not None and (different := opened.plan.differs(begun)):
        reason = f"{folder} was begun with another value of {different}"
        raise InputError("--resume", reason, "repeat the options that it was begun with, or name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    opened.plan.write(folder)
    measure(opened, folder, workers)
    return write_results(opened, folder) | {"seconds": round(time.perf_counter() - began, 3)}
