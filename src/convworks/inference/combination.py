"""Ways to combine the networks of an ensemble; nothing imports PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

from convworks.data.labels import nfc
from convworks.errors import InputError, nearest

#: The name of the task of a network, and its classes.
Kind = tuple[str, Sequence[str]]

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


def difference(first: Kind, other: Kind) -> str:
    """Return what keeps two networks from being an ensemble, "task" or "classes"; empty if nothing does."""
    if other[0] != first[0]:
        return "task"
    return "" if [*map(nfc, other[1])] == [*map(nfc, first[1])] else "classes"
