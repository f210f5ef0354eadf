"""The report section on what the numbers mean, and what to try next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from convworks.pages.render import render


class Finding(NamedTuple):
    """A finding: the name of its rule, a title, what the numbers mean, what to try, and the command for it."""

    rule: str
    title: str
    meaning: str
    remedy: str
    command: str


def findings(verdict: Sequence[Finding] | None) -> Markup:
    """Show findings with their commands, or that there are none; empty for None."""
    return Markup() if verdict is None else render("verdict.html", findings=verdict)
