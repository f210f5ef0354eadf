"""A restoration as tensors and plain values, which another process resumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from convworks.restoration.fit import Fit, Row
from convworks.restoration.rules import Best
from convworks.restoration.session import Part, Session

NETWORK, OPTIMIZER, FINISHED = "network.", "optimizer.", "finished."

Saved = tuple[dict[str, Tensor], dict[str, Any]]


def keep(session: Session) -> None:
    """Keep all that another process needs to resume."""
    tensors = {FINISHED + key: image for key, image in session.images.items()}
    state: dict[str, Any] = {
        "size": list(session.material.size),
        "block": session.request.fitting.block,
        "seconds": session.budget.spent,
        "minutes": session.request.minutes,
        "notes": session.notes,
        "records": session.records,
        "curve": session.curve,
        "shown": {"place": session.shown, "seconds": session.budget.spent},
        "fit": None,
    }
    if session.current is not None:
        part, fit = session.current
        tensors |= {NETWORK + name: value for name, value in fit.network.state_dict().items()}
        tensors |= {OPTIMIZER + name: value for name, value in fit.optimizer.items()}
        tensors |= {"averaged": fit.averaged, "chosen": fit.chosen, "outputs": fit.variance.outputs}
        tensors["sums"] = fit.variance.sums
        state["fit"] = {
            "part": asdict(part),
            "iteration": fit.iteration,
            "seconds": fit.seconds,
            "best": asdict(fit.best) if fit.best.iteration else None,
            "curve": [asdict(row) for row in fit.curve],
        }
    session.keeper.keep(tensors, state)


def unfinished_part(saved: Saved) -> Part | None:
    """Return the part whose fit was kept; None between two fits."""
    fit = saved[1]["fit"]
    return None if fit is None else Part(**fit["part"])


def resume(fit: Fit, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Go back to a fit that another process kept."""
    kept = state["fit"]
    names = [name for name in tensors if name.startswith(NETWORK)]
    fit.network.load_state_dict({name.removeprefix(NETWORK): tensors[name] for name in names})
    for name, value in fit.optimizer.items():
        value.copy_(tensors[OPTIMIZER + name])
    fit.averaged.copy_(tensors["averaged"])
    fit.chosen.copy_(tensors["chosen"])
    fit.variance.restore(tensors["outputs"], tensors["sums"], kept["iteration"])
    fit.best = Best() if kept["best"] is None else Best(**kept["best"])
    fit.iteration, fit.seconds = kept["iteration"], kept["seconds"]
    fit.curve = [Row(**row) for row in kept["curve"]]


def reopen(session: Session, saved: Saved) -> None:
    """Go back to the finished parts that another process kept."""
    tensors, state = saved
    session.images = {
        name.removeprefix(FINISHED): value for name, value in tensors.items() if name.startswith(FINISHED)
    }
    session.records, session.curve = state["records"], state["curve"]
    session.notes = state.get("notes", [])  # of earlier versions
    fits, iteration = state["shown"]["place"]
    session.shown = fits, iteration
