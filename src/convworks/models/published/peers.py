"""How other libraries name the networks of the catalogue and their tensors: tables, and the translation by them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from convworks.errors import InputError, nearest
from convworks.models import FAMILIES

#: Pairs of a pattern that matches a whole key of ours and the peer's key for it. In the peer's key, {1} is what the
#: first group matched, {1-1} that number less one (where the peer counts from 0).
Keys = tuple[tuple[str, str], ...]

#: Mean, and deviation, of networks that read pixels from -1 to 1.
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A library that ships networks of a family.

    `names` maps its names to the rows that compute what its networks compute; `keys` are shared by all of them, or
    given by row. `kernels` are matrices of ours whose rows are square kernels there, with their side. mean and std are
    what its networks take out of pixels in 0..1; `share` of the shorter side is what its evaluation cuts out of the
    middle; `classes` are named where they are always the same.
    """

    names: Mapping[str, str]
    keys: Keys | Mapping[str, Keys]
    kernels: Mapping[str, int] = field(default_factory=dict)
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    share: float = 0.875
    classes: tuple[str, ...] = ()

    def table(self, row: str) -> Keys:
        """Return the keys of a row."""
        return self.keys[row] if isinstance(self.keys, Mapping) else self.keys


def find_peer(peer: str, name: str, *, ours: bool = False) -> tuple[Peer, str]:
    """Return the tables of a peer for one of its networks, and our row that computes it.

    `name` is the peer's; one that the peer does not have may be our own name of such a row, and with `ours` it is.
    Raises InputError for peers and names that are not known.
    """
    tables = _tables()
    if peer not in tables:
        option = "--format" if ours else "--from"
        raise InputError(option, f"{peer!r} is not known{nearest(peer, tables)}", f"known: {', '.join(tables)}")
    if match := _entry(tables[peer], name, ours=ours):
        return match
    pairs = [pair for entry in tables[peer] for pair in entry.names.items()]
    known = [row if ours else theirs for theirs, row in pairs]
    raise InputError(
        "--format" if ours else "--model",
        f"{peer} has no network {name!r} known here{nearest(name, known)}",
        f"known: {', '.join(known)}",
    )


def libraries(name: str) -> list[tuple[str, Peer, str]]:
    """Return every library with a network of that name, theirs or ours, its tables, and our row that computes it."""
    matches = [(peer, _entry(entries, name)) for peer, entries in _tables().items()]
    return [(peer, *match) for peer, match in matches if match is not None]


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


def _entry(entries: Sequence[Peer], name: str, *, ours: bool = False) -> tuple[Peer, str] | None:
    """Return which of a peer's tables has a name, and our row; with `ours`, names are ours alone."""
    for entry in entries:
        if name in entry.names and not ours:
            return entry, entry.names[name]
    return next(((entry, name) for entry in entries if name in entry.names.values()), None)


def _tables() -> dict[str, list[Peer]]:
    """Return the tables of every family, by peer."""
    found: dict[str, list[Peer]] = {}
    for family in FAMILIES:
        for peer, entry in getattr(importlib.import_module(f"convworks.models.{family}"), "PEERS", {}).items():
            found.setdefault(peer, []).append(entry)
    return found


def _field(groups: tuple[str | None, ...], place: re.Match[str]) -> str:
    group = groups[int(place[1]) - 1] or ""
    return str(int(group) - 1) if place[2] else group
