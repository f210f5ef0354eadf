"""Ensembles: the predictions of several networks combined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from convworks.errors import InputError, nearest
from convworks.tasks.activations import Activation
from convworks.tasks.outcome import Pooled

P = TypeVar("P", bound=Pooled)

PROBABILITY, VOTE = "probability", "vote"
#: Ways to combine the members of an ensemble.
COMBINATIONS = {
    PROBABILITY: "the mean of their probabilities",
    "logit": "the mean of their logits",
    VOTE: "the fraction of votes; ties are broken by the mean probability",
}


def check_combination(name: str) -> None:
    """Raise InputError for an unknown combination."""
    if name not in COMBINATIONS:
        reason = f"there is no combination {name!r}{nearest(name, COMBINATIONS)}"
        raise InputError("--combine", reason, f"choose from {', '.join(COMBINATIONS)}")


def combine(members: Sequence[P], activation: Activation, combination: str = PROBABILITY) -> P:
    """Return the outcome of an ensemble of at least one member; raises InputError for an unknown combination.

    `activation` is that of the task; it defines votes and the averaging of logits.
    """
    check_combination(combination)
    if len(members) == 1:
        return members[0]
    stacked = np.stack([outcome.values for outcome in members])
    mean = stacked.mean(0, dtype=np.float64)
    match combination:
        case "probability":
            values = mean
        case "logit" if activation.joined is not None:
            values = activation.joined(stacked)
        case "vote" if activation.votes is not None:
            # The mean counts less than one vote, so that it only breaks ties.
            values = (activation.votes(stacked).sum(0) + mean / 2) / (len(stacked) + 0.5)
        case _:
            raise InputError(
                "--combine", f"{combination} combines probabilities, but these networks give none", "leave it out"
            )
    joined: P = members[0].with_values(values.astype(np.float32))
    return joined
