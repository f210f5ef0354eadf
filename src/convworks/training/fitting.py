"""How a run finds its weights: by steps, or all at once."""

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
    """What makes the weights of a run: `fit` trains from where progress stands to the end.

    `check` refuses what it cannot do. `chosen` names what it chooses on validation besides the epoch; `curve` says
    whether there is a curve of training to draw.
    """

    fit: Callable[[Setup, Progress, Events], None]
    check: Callable[[RunConfig, Source, World], None]
    chosen: str = ""
    curve: bool = True


def check_nothing(config: RunConfig, source: Source, world: World) -> None:
    """Refuse nothing."""


def fitting_of(config: RunConfig) -> Fitting:
    """Return how a run finds its weights: a head that is a support vector machine is fitted at once."""
    if is_svm(config.model):
        return Fitting(fit=fit_svm, check=check_svm, chosen="the machine's cost and scale", curve=False)
    return Fitting(fit=fit, check=check_nothing)
