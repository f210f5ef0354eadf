"""How other libraries name the networks of the catalogue and their tensors: tables, and the translation by them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

#: Pairs of a pattern that matches a whole key of ours and the peer's key for it. In the peer's key, {1} is what the
#: first group matched, {1-1} that number less one (where the peer counts from 0).
Keys = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A library that ships networks of a family.

    `names` maps its names to the rows that compute what its networks compute; `keys` are shared by all of them, or
    given by row. `extra` are patterns of its keys that hold nothing to import.
    """

    names: Mapping[str, str]
    keys: Keys | Mapping[str, Keys]
    extra: tuple[str, ...] = ()

    def table(self, row: str) -> Keys:
        """Return the keys of a row."""
        return self.keys[row] if isinstance(self.keys, Mapping) else self.keys


def their_key(ours: str, keys: Keys) -> str | None:
    """Return the peer's key for one of ours, None where the table has none."""
    for pattern, template in keys:
        if found := re.fullmatch(pattern, ours):
            return re.sub(r"\{(\d)(-1)?\}", partial(_field, found.groups()), template)
    return None


def translation(ours: Iterable[str], keys: Keys) -> dict[str, str]:
    """Return our keys with the peer's; those without one are left out."""
    pairs = {key: their_key(key, keys) for key in ours}
    return {key: theirs for key, theirs in pairs.items() if theirs is not None}


def _field(groups: tuple[str | None, ...], field: re.Match[str]) -> str:
    group = groups[int(field[1]) - 1] or ""
    return str(int(group) - 1) if field[2] else group
