"""How a task answers, by its name; PyTorch is imported only for tasks of a user's own."""

from __future__ import annotations

from convworks.tasks.answering import ANSWERING, Answering


def answering(name: str, where: str = "task") -> Answering:
    """Return how a task answers; InputError for an unknown one."""
    if name in ANSWERING:
        return ANSWERING[name]
    from convworks.tasks.registry import named

    return named(name, where)
