"""Ways to combine the networks of an ensemble; nothing imports PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks.data.labels import nfc
from convworks.errors import InputError, nearest
from convworks.tasks.by_name import answering

#: The name of the task of a network, and its classes.
Kind = tuple[str, Sequence[str]]

AN_ENSEMBLE = "an ensemble needs the same classes in the same order"
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


def kind_of(description: Mapping[str, Any]) -> Kind:
    """Return the task and the classes of a network that is described."""
    return description["task"]["name"], description["classes"]


def check_alike(paths: Sequence[Path], kinds: Sequence[Kind], name: str = "") -> None:
    """Raise InputError for networks that are no ensemble: of different classes, or tasks, or of a task without them.

    `name` is that of the ensemble, if networks of other names would be none.
    """
    (task, classes), *others = kinds
    beside, apart = (f", but both are named {name}", "give each a name: NAME={}") if name else ("", "")
    for path, (other_task, other_classes) in zip(paths[1:], others, strict=True):
        if other_task != task:
            reason = f"is for {other_task}, {paths[0]} for {task}".replace("_", "-")
            raise InputError(path, reason + beside, apart.format(path) or "give bundles of one task")
        if [*map(nfc, other_classes)] != [*map(nfc, classes)]:
            reason = f"has different classes from {paths[0]}"
            raise InputError(path, reason + beside, apart.format(path) or AN_ENSEMBLE)
    answers = answering(task, str(paths[0]))
    if others and not answers.combines:
        reason = f"{answers.does}, which cannot be an ensemble"
        raise InputError(paths[1], reason + beside, apart.format(paths[1]) or "give one bundle")
