"""Rules of a verdict on how far a run got, and the advice to train longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convworks.errors import counted
from convworks.metrics.spec import MetricSpec
from convworks.pages.verdict import Finding
from convworks.tasks.evidence import Evidence, Rule

#: Error on training images from which a network underfits, if that is most of its error on validation.
UNFIT = 0.10
#: Epochs and presentations of images below which a run is brief: folder/default trains longer on any data.
BRIEF_EPOCHS, BRIEF_PRESENTATIONS = 8, 12_000
#: Fraction by which the training loss of the last third of the epochs is lower than that of the third before it, from
#: which it is still falling.
FALLING = 0.02
#: Factor on the epochs.
LONGER = 2


def stopped(evidence: Evidence) -> Finding | None:
    """A run that was ended before its last epoch: its schedule was cut off."""
    if not evidence.resume:
        return None
    training, last = evidence.config.training, evidence.history[-1]
    meaning = (
        f"The schedule of the learning rate was cut off at {last['learning_rate']:.2g} (its highest value: "
        f"{training.schedule.rate:g}): these results say little about the complete run."
    )
    title = f"Stopped after {last['epoch']} of {counted(training.epochs, 'epoch')}"
    return Finding("stopped", title, meaning, "Train the remaining epochs.", evidence.resume)


def brief(metric: MetricSpec) -> Rule:
    """Return the rule for a run of fewer epochs than the recipe's, which was still learning when it ended."""

    def rule(evidence: Evidence) -> Finding | None:
        unfit = 1 - evidence.train[metric.name] >= UNFIT
        return briefly(evidence) if unfit and is_brief(evidence) and _still_falling(evidence.history) else None

    return rule


def briefly(evidence: Evidence) -> Finding:
    """Return the finding on a run that is brief."""
    falling = ", and its loss was still falling" if _still_falling(evidence.history) else ""
    meaning = (
        f"The network was trained for only {counted(len(evidence.history), 'epoch')} on "
        f"{counted(evidence.images, 'image')}{falling}: these results say little about the complete recipe."
    )
    return Finding("brief", "Trained briefly", meaning, *longer(evidence))


def is_brief(evidence: Evidence) -> bool:
    """Return whether the command asked for fewer epochs than any recipe for a folder takes."""
    epochs = len(evidence.history)
    few = epochs < BRIEF_EPOCHS or epochs * evidence.images < BRIEF_PRESENTATIONS
    return bool(epochs) and (evidence.again.sets_epochs or evidence.shortened) and few


def longer(evidence: Evidence) -> tuple[str, str]:
    """Return the advice to train longer, and its command: the recipe's epochs after a brief run, else twice as many."""
    if is_brief(evidence):
        return "Train longer: without a number of epochs, the recipe chooses it.", evidence.again.as_planned()
    epochs = f"training.epochs={LONGER * evidence.config.training.epochs}"
    return "Train longer.", evidence.again.varied(epochs)


def _still_falling(history: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the training loss was falling when the run ended; a single epoch does not say, and counts."""
    losses = [row["train_loss"] for row in history]
    if len(losses) < 2:
        return True
    third = max(1, len(losses) // 3)
    last, before = sum(losses[-third:]), sum(losses[-2 * third : -third])
    return bool(last < (1 - FALLING) * before)
