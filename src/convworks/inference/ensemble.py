"""Ensembles: the predictions of several networks combined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Float32

from convworks.errors import InputError
from convworks.inference.combination import PROBABILITY, check_combination
from convworks.tasks.activations import Activation
from convworks.tasks.outcome import Pooled

P = TypeVar("P", bound=Pooled)


def combine(members: Sequence[P], activation: Activation, combination: str = PROBABILITY) -> P:
    """Return the outcome of an ensemble of at least one member; raises InputError for an unknown combination.

    `activation` is that of the task; it defines votes and the averaging of logits.
    """
    check_combination(combination)
    if len(members) == 1:
        return members[0]
    values = combined(np.stack([outcome.values for outcome in members]), activation, combination)
    joined: P = members[0].with_values(values)
    return joined


def combined(
    stacked: Float[np.ndarray, "m n *output"], activation: Activation, combination: str
) -> Float32[np.ndarray, "n *output"]:
    """Return the activated outputs of an ensemble from those of its members."""
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
    return np.asarray(values, np.float32)
