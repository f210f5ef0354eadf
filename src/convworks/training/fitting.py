"""How the weights of a run are fitted: by gradient steps, or in closed form by a support vector machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convworks.data.source import Source
from convworks.training.config import RunConfig
from convworks.training.events import Events
from convworks.training.loop import fit
from convworks.training.progress import Progress
from convworks.training.setup import Setup
from convworks.training.svm.head import check_svm, fit_svm, is_svm
from convworks.training.world import World


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How the weights of a run are fitted: `fit` trains from the current progress to the end.

    `check` raises InputError for unsupported configurations. `chosen` names what is chosen on validation instead of the
    epoch; `curve` says whether there is a training curve to draw.
    """

    fit: Callable[[Setup, Progress, Events], None]
    check: Callable[[RunConfig, Source, World], None]
    chosen: str = ""
    curve: bool = True


def check_nothing(config: RunConfig, source: Source, world: World) -> None:
    """Accept every configuration."""


def fitting_of(config: RunConfig) -> Fitting:
    """Return how the weights of a run are fitted."""
    if is_svm(config.model):
        return Fitting(fit=fit_svm, check=check_svm, chosen="the machine's cost and scale", curve=False)
    return Fitting(fit=fit, check=check_nothing)
