"""Restoring one picture within its budget: tile by tile, sample by sample, in runs that are averaged."""

from __future__ import annotations

from dataclasses import asdict, replace
from time import monotonic
from typing import Any

import numpy as np

from convworks.errors import RunError
from convworks.restoration.fit import Fit, Setup, ended, number_of, prepare, step
from convworks.restoration.interrupts import uninterrupted
from convworks.restoration.material import Material
from convworks.restoration.opening import opened
from convworks.restoration.plan import Budget
from convworks.restoration.request import Request
from convworks.restoration.result import Restored, averaged, result
from convworks.restoration.rules import DIVERGED, ITERATIONS, SHARE, TIME
from convworks.restoration.saved import Saved, keep, resume, unfinished_part
from convworks.restoration.session import Keeper, Part, Session

SHOW, KEEP = 5.0, 30.0  # seconds between two previews, and between two checkpoints, at least
SPARE = 10.0  # times as long as each of them takes
PACE = 2.0  # iterations that must still fit the time
#: What another run needs, in times of the seconds to the best iteration of the first one: at least, and with reserve.
LEAST, AGAIN = 0.9, 1.1
SETTLED = 1.5  # times the iterations that are enough: only then is a run cut short for another one
#: Nor while its last third lowers the rule's number by more than this part: at 3 %, another run gains as much as going
#: on (F16 at 128x128); at 11 %, where 650 iterations at 512x512 end, a fifth of it.
LEVEL = 0.03


def restore(material: Material, request: Request, keeper: Keeper, budget: Budget) -> Restored:
    """Restore a picture within its budget, which began before it was read.

    Raises InputError for a picture or a budget that is too small, RunError for a fit that diverges.
    """
    saved = keeper.load()
    session = opened(material, request, keeper, budget, saved)
    if saved is None:  # now there is something to see, and to resume
        _keep(session)
        _show(session)
    try:
        _fit_parts(session, saved)
    except BaseException:  # whatever ends it: the best so far is on the disk
        _show(session)
        raise
    if request.samples == 1 and (runs := averaged(session.records)) < request.averaged:
        session.note(fewer(runs, session))
    return result(session)


def fewer(runs: int, session: Session) -> str:
    """Return the line that says that fewer runs were averaged than wanted."""
    text = "a single run" if runs == 1 else f"the mean of {runs} runs"
    diverged = any(record["ended"] == DIVERGED for record in session.records)
    reason = "another one diverged" if diverged else f"--minutes {session.request.minutes:g} allows no more"
    return f"{text}, not the mean of {session.request.averaged}: {reason}"


def _fit_parts(session: Session, saved: Saved | None) -> None:
    """Fit the network to each part in turn, in runs that share its time; a fit that was kept is resumed first."""
    request, unfinished = session.request, None if saved is None else unfinished_part(saved)
    parts = [Part(tile=tile, sample=sample) for tile in session.fitted for sample in range(request.samples)]
    if unfinished is not None:  # those before it have had their time
        parts = parts[parts.index(replace(unfinished, run=0)) :]
    for number, part in enumerate(parts):
        until = session.budget.left / (len(parts) - number) + monotonic()
        for run in range(request.averaged):
            current = replace(part, run=run)
            if current == unfinished:
                _fit(session, current, until, saved)
            elif all(Part(**record["part"]) != current for record in session.records):
                if run and until - monotonic() < LEAST * _first(session, part)["seconds_to_best"]:
                    break
                _fit(session, current, until)


def _first(session: Session, part: Part) -> dict[str, Any]:
    """Return the record of the first run of a part."""
    first = replace(part, run=0)
    return next(record for record in session.records if Part(**record["part"]) == first)


def _shares(session: Session, part: Part, fit: Fit, left: float) -> bool:
    """Return whether a first run ends here because the time that is left is just enough for another one like it.

    The mean of both is better than what the first one could still gain. A given number of iterations is kept.
    """
    request = session.request
    if part.run or request.averaged == 1 or request.rule.name == ITERATIONS:
        return False
    needed = fit.seconds * fit.best.iteration / fit.iteration
    if fit.iteration < SETTLED * request.table.enough or not LEAST * needed <= left <= AGAIN * needed:
        return False
    before = [row for row in fit.curve if 3 * row.iteration <= 2 * fit.iteration][-1]
    number = number_of(request.rule.name, before.held_out, before.moving_variance)
    return number is not None and fit.best.value >= (1 - LEVEL) * number


def _fit(session: Session, part: Part, until: float, saved: Saved | None = None) -> None:
    """Fit the network to a part until its rule, or the time, ends it; add its picture to the finished ones."""
    setup, fit = _begun(session, part)
    if saved is not None:
        resume(fit, *saved)
    session.current = part, fit
    try:
        reason = _fitted(session, setup, part, fit, until)
    except KeyboardInterrupt:  # between two iterations: nothing of what was done is lost
        _keep(session)
        raise
    with uninterrupted():
        _finish(session, part, fit, reason)
    if monotonic() >= session.keep_at:
        _keep(session)


def _fitted(session: Session, setup: Setup, part: Part, fit: Fit, until: float) -> str:
    """Fit the network until its rule, or the time, ends that; return which."""
    reason, now = ended(setup, fit), monotonic()  # it may have been interrupted after its last iteration
    while not reason:
        before = now
        try:
            with uninterrupted():
                row = step(setup, fit)
        except RunError:
            if not part.run:
                raise
            return DIVERGED  # the runs before it are as good as before
        reason = ended(setup, fit)
        now = monotonic()
        if not reason and now + PACE * (now - before) >= until:
            reason = TIME
        elif not reason and _shares(session, part, fit, until - now):
            reason = SHARE
        session.keeper.tell(session, row)
        if not reason and now >= session.show_at:
            _show(session)
        if not reason and now >= session.keep_at:  # a fit that has ended would be resumed for another iteration
            _keep(session)
    return reason


def _show(session: Session) -> None:
    """Show the best pictures so far, unless an earlier process showed better ones.

    What that takes is needed once more at the end.
    """
    started = monotonic()
    if session.place >= session.shown:
        session.shown = session.place
        session.keeper.show(session.pictures(), {"place": session.shown, "seconds": session.budget.spent})
    session.show_at = _again(started, SHOW)
    session.budget.reserve = max(session.budget.reserve, monotonic() - started)


def _keep(session: Session) -> None:
    started = monotonic()
    keep(session)
    session.keep_at = _again(started, KEEP)


def _again(started: float, interval: float) -> float:
    """Return when to do again what has just been done: in an interval, if that takes a small part of the time."""
    now = monotonic()
    return now + max(interval, SPARE * (now - started))


def _begun(session: Session, part: Part) -> tuple[Setup, Fit]:
    """Return a fit of new weights, which depend on the seed and the part."""
    request = session.request
    seed = int(np.random.SeedSequence([request.seed, part.tile, part.sample, part.run]).generate_state(1)[0])
    setup = prepare(
        session.observation(part.tile),
        channels=session.computation.channels,
        fitting=request.fitting,
        rule=request.rule,
        iterations=request.limit,
        seed=seed,
        clean=session.clean(part.tile),
    )
    return setup, session.computation.begin(setup)


def _finish(session: Session, part: Part, fit: Fit, reason: str) -> None:
    best = fit.best.iteration or fit.iteration
    used = part.run == 0 or reason not in (TIME, DIVERGED)
    if part.run and reason == TIME:
        used = fit.iteration >= LEAST * _first(session, part)["best_iteration"]
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
            "seconds_to_best": round(fit.seconds * best / max(1, fit.iteration), 3),
        }
    )
    session.curve += [{**asdict(part), **asdict(row)} for row in fit.curve]
    session.current = None
