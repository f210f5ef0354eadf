"""What ended the fits of a picture, in words. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from convworks.restoration.request import Request
from convworks.restoration.rules import DIVERGED, ITERATIONS, SHARE, TIME

#: What ends fits before their rule; the time that another run needs is the time.
EARLY = {ITERATIONS: "the number of iterations", SHARE: "the time", TIME: "the time", DIVERGED: "divergence"}


def ends(fits: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what ended fits, each way once."""
    return list(dict.fromkeys(fit["ended"] for fit in fits))


def ending(request: Request, ends: Collection[str]) -> str:
    """Return what ended fits, of which each ended by one of `ends`: the reason of a rule only if it ended any."""
    rule = request.rule.name
    early = " and ".join(dict.fromkeys(words for end, words in EARLY.items() if end in ends and end != rule))
    if rule not in ends:
        return f"ended by {early}, before the rule ({rule}) did"
    text = f"stopped by {rule}: {request.why}"
    return f"{text}; some fits ended earlier, by {early}" if early else text
