"""Names of networks and tensors in other libraries (peers): tables, and translation by them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from convworks.errors import InputError, nearest
from convworks.models import FAMILIES

#: Pairs of a pattern that matches one of our keys, and the template of the peer's key. In the template, {1} is the
#: first group of the match, {1-1} that number minus one (for peers that count from 0).
Keys = tuple[tuple[str, str], ...]

#: Mean, and standard deviation, of networks that read pixels in -1..1.
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A library that ships networks of a family.

    `names` maps its names to the equivalent rows; `keys` are shared by all rows, or given by row. `kernels` names our
    matrices whose rows are square kernels there, with their side. `mean` and `std` normalise pixels in 0..1;
    `crop_fraction` is the fraction of the shorter side that its evaluation centre-crops; `classes` is set if they are
    always the same.
    """

    names: Mapping[str, str]
    keys: Keys | Mapping[str, Keys]
    kernels: Mapping[str, int] = field(default_factory=dict)
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    crop_fraction: float = 0.875
    classes: tuple[str, ...] = ()

    def table(self, row: str) -> Keys:
        """Return the keys of a row."""
        return self.keys[row] if isinstance(self.keys, Mapping) else self.keys


#: Formats of `convworks export` that are no library's names of weights (deploy/).
RUN = ("onnx", "openvino", "pt2")


def find_peer(peer: str, name: str, *, ours: bool = False) -> tuple[Peer, str]:
    """Return the tables of a peer for one of its networks, and the equivalent row.

    `name` is the peer's, or else our name of such a row; with `ours`, only our names are tried. Raises InputError for
    unknown peers and names.
    """
    tables = _tables()
    if peer not in tables:
        known, option = (*(RUN if ours else ()), *tables), "--format" if ours else "--from"
        raise InputError(option, f"{peer!r} is not known{nearest(peer, known)}", f"known: {', '.join(known)}")
    if match := _entry(tables[peer], name, ours=ours):
        return match
    pairs = [pair for entry in tables[peer] for pair in entry.names.items()]
    choices = [row if ours else theirs for theirs, row in pairs]
    raise InputError(
        "--format" if ours else "--model",
        f"{peer} has no network {name!r} known here{nearest(name, choices)}",
        f"known: {', '.join(choices)}",
    )


def libraries(name: str) -> list[tuple[str, Peer, str]]:
    """Return every library with a network of that name (theirs or ours), its tables, and the equivalent row."""
    matches = [(peer, _entry(entries, name)) for peer, entries in _tables().items()]
    return [(peer, *match) for peer, match in matches if match is not None]


def their_key(ours: str, keys: Keys) -> str | None:
    """Return the peer's key for one of ours, None if the table has none."""
    for pattern, template in keys:
        if match := re.fullmatch(pattern, ours):
            return re.sub(r"\{(\d)(-1)?\}", partial(_field, match.groups()), template)
    return None


def translation(ours: Iterable[str], keys: Keys) -> dict[str, str]:
    """Return a mapping of our keys to the peer's; those without one are left out."""
    pairs = {key: their_key(key, keys) for key in ours}
    return {key: theirs for key, theirs in pairs.items() if theirs is not None}


def _entry(entries: Sequence[Peer], name: str, *, ours: bool = False) -> tuple[Peer, str] | None:
    """Return the table of a peer that has a name, and our row; with `ours`, only our names are tried."""
    for entry in entries:
        if name in entry.names and not ours:
            return entry, entry.names[name]
    return next(((entry, name) for entry in entries if name in entry.names.values()), None)


def _tables() -> dict[str, list[Peer]]:
    """Return the tables of every family, by peer."""
    tables: dict[str, list[Peer]] = {}
    for family in FAMILIES:
        for peer, entry in getattr(importlib.import_module(f"convworks.models.{family}"), "PEERS", {}).items():
            tables.setdefault(peer, []).append(entry)
    return tables


def _field(groups: tuple[str | None, ...], match: re.Match[str]) -> str:
    group = groups[int(match[1]) - 1] or ""
    return str(int(group) - 1) if match[2] else group
