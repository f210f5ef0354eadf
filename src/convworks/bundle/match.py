"""Recognising weights in a file by the names of their tensors: library, network, and key in the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from convworks.bundle.weights_file import State
from convworks.errors import InputError, nearest
from convworks.models import NAMES, OWN
from convworks.models.analysis.meta import without_values
from convworks.models.catalogue import create, facts
from convworks.models.published.peers import Peer, find_peer, libraries, translation

#: Counters that predictions do not use; older files lack them.
COUNTERS = ("num_batches_tracked", "n_averaged")
#: Keys under which training programs store averaged weights, which are preferred for prediction.
AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged?|averaging)([._]|$)", re.IGNORECASE)
AUXILIARY = "auxiliary."


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A candidate network for weights: our row, the library whose names its tensors have (None: ours), and its tables.

    `names` maps our keys to the library's names, `auxiliary` those of auxiliary classifiers, which a bundle omits.
    """

    peer: str | None
    entry: Peer | None
    row: str
    names: Mapping[str, str]
    auxiliary: Mapping[str, str]

    def same(self, other: Candidate) -> bool:
        """Return whether another candidate would make the same bundle from the same file."""
        fields = ("kernels", "mean", "std", "crop_fraction", "classes")
        own_values, other_values = ([getattr(each.entry, name, None) for name in fields] for each in (self, other))
        return (self.row, self.names, own_values) == (other.row, other.names, other_values)


@dataclass(frozen=True, kw_only=True)
class Match:
    """The matching weights in a file: their `key` in it, and the `prefix` of all their names.

    `state` has the names without the prefix, `unprefixed` holds the names of the set without it. `peers` are all
    libraries with these names; `others` are the keys of further weights that would fit.
    """

    candidate: Candidate
    key: str
    prefix: str
    state: State
    unprefixed: tuple[str, ...]
    peers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """The names in the network but not in the weights."""
        names = self.candidate.names.values()
        return [name for name in names if name not in self.state and not name.endswith(COUNTERS)]

    @property
    def unknown(self) -> list[str]:
        """The names in the weights but not in the network."""
        names = {*self.candidate.names.values(), *self.candidate.auxiliary.values()}
        return [name for name in (*self.state, *self.unprefixed) if name not in names and not name.endswith(COUNTERS)]

    @property
    def left_out(self) -> list[str]:
        """The modules of auxiliary classifiers among the weights."""
        return modules(name for name in self.candidate.auxiliary.values() if name in self.state)


def find_match(path: Path, sets: Mapping[str, State], model: str, peer: str | None, key: str | None) -> Match:
    """Return the weights of a file that fit a network best; the caller checks whether names are missing.

    Without `peer`, the library is recognised by the names of the tensors; without `key`, averaged weights are preferred
    if a file has several sets. Raises InputError if the choice is ambiguous, or if the file has no `key`.
    """
    matches = [
        match
        for candidate in candidates(model, peer)
        for set_key, state in sets.items()
        for match in _matches(candidate, set_key, state)
    ]
    keys = list(dict.fromkeys(match.key for match in matches))
    if key is not None and key not in keys:
        remedy = f"it has: {', '.join(filter(None, keys)) or 'one set of weights, without a key'}"
        raise InputError("--key", f"{path} has no weights {key!r}{nearest(key, keys)}", remedy)
    complete = list(dict.fromkeys(match.key for match in matches if not match.missing))
    chosen = _default(path, complete) if key is None else key
    best = _first([match for match in matches if chosen in (None, match.key)])
    return replace(best, others=tuple(other for other in complete if other != best.key) if key is None else ())


def _default(path: Path, keys: Sequence[str]) -> str | None:
    """Return the default key: that of the only weights that fit, or of the only averaged ones."""
    averaged = [key for key in keys if AVERAGED.search(key)]
    if len(keys) > 1 and len(averaged) != 1:
        raise InputError(
            path, f"holds more than one matching set of weights: {', '.join(keys)}", f"choose with --key {keys[0]}"
        )
    return next(iter([*averaged, *keys]), None)


def candidates(model: str, peer: str | None) -> list[Candidate]:
    """Return the networks of that name: of one library with `peer`, else ours and those of all libraries.

    Raises InputError for unknown names, and for networks that do not read images.
    """
    entries: list[tuple[str | None, Peer | None, str]] = [(peer, *find_peer(peer, model))] if peer else []
    if not peer:
        entries = [*([(None, None, model)] if model in (*NAMES, *OWN) else []), *libraries(model)]
    keys: dict[str, list[str]] = {}
    for row in [row for _, _, row in entries] or [model]:
        if len(facts(row).shape.size) != 2:
            raise InputError("--model", f"{row} does not take images", "import weights of an image network")
        if row not in keys:
            with without_values():
                keys[row] = list(create(row).state_dict())
    return [_candidate(name, entry, row, keys[row]) for name, entry, row in entries]


def _candidate(peer: str | None, entry: Peer | None, row: str, keys: Iterable[str]) -> Candidate:
    names = translation(keys, entry.table(row)) if entry else {key: key for key in keys}
    network_names = {key: name for key, name in names.items() if not key.startswith(AUXILIARY)}
    auxiliary = {key: name for key, name in names.items() if key.startswith(AUXILIARY)}
    return Candidate(peer=peer, entry=entry, row=row, names=network_names, auxiliary=auxiliary)


def _matches(candidate: Candidate, key: str, state: State) -> list[Match]:
    """Return the matches in one set: at least one, and several if the network occurs under several prefixes."""
    expected = {name for name in candidate.names.values() if not name.endswith(COUNTERS)}
    counts = Counter(prefix for name in state for prefix, rest in _splits(name) if rest in expected)
    whole = [prefix for prefix, count in counts.items() if count == len(expected)]
    most = max(counts, key=lambda prefix: (counts[prefix], -len(prefix)), default="")
    matches = []
    for prefix in whole or [most]:
        tensors = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        unprefixed = tuple(name for name in state if not name.startswith(tuple(whole or [most])))
        match_key = key if len(whole) < 2 else ".".join(part for part in (key, prefix.rstrip(".")) if part)
        matches.append(Match(candidate=candidate, key=match_key, prefix=prefix, state=tensors, unprefixed=unprefixed))
    return matches


def _splits(name: str) -> Iterable[tuple[str, str]]:
    """Yield all splits of a dotted name into a prefix and a rest."""
    yield "", name
    for dot in re.finditer(r"\.", name):
        yield name[: dot.end()], name[dot.end() :]


def _first(matches: Sequence[Match]) -> Match:
    """Return the match with the fewest missing names; InputError if complete matches differ in their meaning."""
    best = min(matches, key=lambda match: len(match.missing) / len(match.candidate.names))
    equivalent = [match for match in matches if match.key == best.key and not match.missing] or [best]
    conflicting = [match for match in equivalent if not match.candidate.same(best.candidate)]
    if conflicting:
        peers = [str(match.candidate.peer) for match in (best, *conflicting)]
        reason = f"is needed: the tensor names match {' and '.join(peers)}"
        raise InputError("--from", reason, f"choose with --from {peers[0]}")
    peers = [match.candidate.peer for match in equivalent if match.candidate.peer is not None]
    return replace(best, peers=tuple(peers))


def modules(names: Iterable[str]) -> list[str]:
    """Return the distinct top-level modules of tensor names, in order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in names))
