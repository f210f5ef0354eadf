"""Ways to combine the networks of an ensemble; nothing imports PyTorch."""

from __future__ import annotations

from convworks.errors import InputError, nearest

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
