"""The two ways in which convworks fails on purpose, and how their one line reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConvworksError(Exception):
    """An expected failure: `where` names the file or field, `reason` the rule and the value, `remedy` the way out."""

    exit_status = 1

    def __init__(self, where: object, reason: str, remedy: str = "") -> None:
        self.where, self.reason, self.remedy = str(where), reason, remedy
        super().__init__(" ".join(f"{where}: {reason}{'; ' + remedy if remedy else ''}".split()))


class InputError(ConvworksError):
    """The input was wrong (exit status 2)."""

    exit_status = 2


class RunError(ConvworksError):
    """The work failed although its input was right (exit status 1)."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ` (did you mean 'x' or 'y'?)` for the names closest to a mistyped one, or nothing."""
    close = difflib.get_close_matches(name, list(names), n=2, cutoff=0.65)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
