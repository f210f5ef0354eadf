"""Restoring one picture within its budget: tile by tile, sample by sample, in runs that are averaged."""

from __future__ import annotations

from dataclasses import asdict, replace
from time import monotonic
from typing import Any

import numpy as np

from convworks.console import say
from convworks.hardware import choose_device, choose_precision, keep_memory
from convworks.models.catalogue import facts
from convworks.restoration.computation import Computation
from convworks.restoration.fit import Fit, Setup, begin, ended, prepare, step
from convworks.restoration.material import Material
from convworks.restoration.observation import as_tensor
from convworks.restoration.plan import Budget, plan
from convworks.restoration.request import Request
from convworks.restoration.result import Restored, averaged, result
from convworks.restoration.rules import ITERATIONS, SHARE, TIME
from convworks.restoration.saved import Saved, keep, reopen, resume
from convworks.restoration.session import Keeper, Part, Session
from convworks.restoration.tiles import SIDE, divide

SHOW, KEEP = 5.0, 30.0  # seconds between two previews, and between two checkpoints
PACE = 2.0  # iterations that must still fit the time
#: What another run needs, in times of the seconds to the best iteration of the first one: at least, and with reserve.
LEAST, AGAIN = 0.9, 1.1
SETTLED = 1.5  # times the iterations that are enough: only then is a run cut short for another one


def restore(material: Material, request: Request, keeper: Keeper, budget: Budget) -> Restored:
    """Restore a picture within its budget, which began before it was read.

    Raises InputError for a picture or a budget that is too small, RunError for a fit that diverges.
    """
    saved = keeper.load()
    session = _opened(material, request, keeper, budget, saved)
    if saved is None:  # from here on there is something to resume
        keep(session)
    parts = [Part(tile=tile, sample=sample) for tile in range(len(session.tiles)) for sample in range(request.samples)]
    try:
        for number, part in enumerate(parts):
            until = session.budget.left / (len(parts) - number) + monotonic()
            for run in range(request.runs if request.samples == 1 else 1):
                current = replace(part, run=run)
                if not any(record["part"] == asdict(current) for record in session.records):
                    if run and until - monotonic() < LEAST * _first(session, part)["seconds_to_best"]:
                        break
                    _fit(session, current, until, saved)
                    saved = None
        if request.samples == 1 and (runs := averaged(session.records)) < request.runs:
            say(f"{material.name}: {fewer(runs, request)}")
    finally:  # whatever ends it: the best so far is on the disk
        keeper.show(session.pictures())
    return result(session)


def _opened(material: Material, request: Request, keeper: Keeper, budget: Budget, saved: Saved | None) -> Session:
    device = choose_device(request.device)
    keep_memory(device)
    computation = Computation(
        model=request.network,
        channels=2 if request.fitting.grid else facts(request.network).shape.channels,
        classes=material.pixels.shape[2],
        device=device,
        precision=choose_precision(request.precision, device),
    )
    if saved is None:
        size = plan(material.name, material.size, request, computation, budget)
        if size != material.size:
            say(f"{material.name}: {smaller(size, material.size, request)}")
    else:
        budget.used = saved[1]["seconds"]
        size = (saved[1]["size"][0], saved[1]["size"][1])
    reduced = material.reduced(size, request.factor)
    tiles = divide(size, SIDE // request.factor)
    restored = (tiles[0].height * request.factor, tiles[0].width * request.factor)
    network = computation.draw(request.seed, restored)
    session = Session(
        material=reduced,
        request=request,
        computation=computation,
        tiles=tiles,
        budget=budget,
        keeper=keeper,
        network=network,
        forward=computation.forward(network),
        before=reduced.enlarged(request.factor),
    )
    if saved is not None:
        reopen(session, saved)
    return session


def smaller(size: tuple[int, int], whole: tuple[int, int], request: Request) -> str:
    """Return the line that says at which size a picture is restored."""
    texts = [f"{width:,}x{height:,}" for height, width in (size, whole)]
    return f"restored at {texts[0]} of {texts[1]} pixels: --minutes {request.minutes:g} allow no more"


def fewer(runs: int, request: Request) -> str:
    """Return the line that says that fewer runs were averaged than wanted."""
    text = "a single run" if runs == 1 else f"the mean of {runs} runs"
    return f"{text}, not the mean of {request.runs}: --minutes {request.minutes:g} allow no more"


def _first(session: Session, part: Part) -> dict[str, Any]:
    """Return the record of the first run of a part."""
    first = asdict(replace(part, run=0))
    return next(record for record in session.records if record["part"] == first)


def _shares(session: Session, part: Part, fit: Fit, left: float) -> bool:
    """Return whether a first run ends here because the time that is left is just enough for another one like it.

    The mean of both is better than what the first one could still gain. A given number of iterations is kept.
    """
    request = session.request
    if part.run or request.runs == 1 or request.samples > 1 or request.rule.name == ITERATIONS:
        return False
    needed = fit.seconds * fit.best.iteration / fit.iteration
    return fit.iteration >= SETTLED * request.table.enough and LEAST * needed <= left <= AGAIN * needed


def _fit(session: Session, part: Part, until: float, saved: Saved | None) -> None:
    """Fit the network to a part until its rule, or the time, ends it; add its picture to the finished ones."""
    setup, fit = _begun(session, part)
    session.current = part, fit
    if saved is not None and saved[1]["fit"] is not None and saved[1]["fit"]["part"] == asdict(part):
        resume(fit, *saved)
    reason, now = "", monotonic()
    while not reason:
        row, before = step(setup, fit), now
        reason = ended(setup, fit)
        now = monotonic()
        if not reason and now + PACE * (now - before) >= until:
            reason = TIME
        elif not reason and _shares(session, part, fit, until - now):
            reason = SHARE
        session.keeper.tell(row, part, until - now)
        if now - session.shown >= SHOW:
            session.shown = now
            session.keeper.show(session.pictures())
        if now - session.kept >= KEEP:
            session.kept = now
            keep(session)
    _finish(session, part, fit, reason)


def _begun(session: Session, part: Part) -> tuple[Setup, Fit]:
    """Return a fit of new weights, which depend on the seed and the part."""
    request, tile, clean = session.request, session.tiles[part.tile], session.material.clean
    seed = int(np.random.SeedSequence([request.seed, *asdict(part).values()]).generate_state(1)[0])
    restored = tile.scaled(request.factor)
    setup = prepare(
        session.observation(tile),
        channels=session.computation.channels,
        fitting=request.fitting,
        rule=request.rule,
        iterations=request.limit,
        seed=seed,
        clean=None
        if clean is None
        else as_tensor(clean[restored.rows, restored.columns]).to(session.computation.device),
    )
    weights = session.computation.draw(seed, setup.observation.size)
    session.network.load_state_dict(weights.state_dict())
    return setup, begin(setup, session.network, session.forward)


def _finish(session: Session, part: Part, fit: Fit, reason: str) -> None:
    best = fit.best.iteration or fit.iteration
    used = part.run == 0 or reason != TIME or fit.iteration >= LEAST * _first(session, part)["best_iteration"]
    if used:  # a later run that the time has cut short would make the average worse
        session.images[part.key] = fit.image.clone()
    session.records.append(
        {
            "part": asdict(part),
            "iterations": fit.iteration,
            "best_iteration": best,
            "ended": reason,
            "averaged": used,
            "seconds": round(fit.seconds, 3),
            "seconds_to_best": round(fit.seconds * best / fit.iteration, 3),
        }
    )
    session.curve += [{**asdict(part), **asdict(row)} for row in fit.curve]
    session.current = None
    keep(session)
