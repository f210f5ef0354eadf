"""What several networks say of the same images, as one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from convworks.errors import InputError, nearest
from convworks.tasks.activations import Activation
from convworks.tasks.outcome import Pooled

P = TypeVar("P", bound=Pooled)

PROBABILITY = "probability"
#: How the members of an ensemble are joined.
COMBINATIONS = {
    PROBABILITY: "the mean of their probabilities",
    "logit": "the mean of their logits",
    "vote": "the share of them that say so; the mean of their probabilities decides between equals",
}


def check_combination(name: str) -> None:
    """Raise InputError for a combination that there is not."""
    if name not in COMBINATIONS:
        reason = f"there is no combination {name!r}{nearest(name, COMBINATIONS)}"
        raise InputError("--combine", reason, f"choose from {', '.join(COMBINATIONS)}")


def combine(members: Sequence[P], activation: Activation, how: str = PROBABILITY) -> P:
    """Return the outcome of an ensemble of at least one; raises InputError for an unknown combination.

    `activation` is that of the task, which knows what votes and logits are.
    """
    check_combination(how)
    if len(members) == 1:
        return members[0]
    each = np.stack([outcome.values for outcome in members])
    mean = each.mean(0, dtype=np.float64)
    match how:
        case "probability":
            values = mean
        case "logit" if activation.joined is not None:
            values = activation.joined(each)
        case "vote" if activation.votes is not None:
            # Less than a vote of one, so that it decides between equals alone.
            values = (activation.votes(each).sum(0) + mean / 2) / (len(each) + 0.5)
        case _:
            raise InputError("--combine", f"{how} joins probabilities, these networks give none", "leave it out")
    joined: P = members[0].with_values(values.astype(np.float32))
    return joined
