"""Whose network the weights in a file are of, and under which key they lie there: recognised by their names."""

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

#: Counters that no prediction reads; older files lack them.
COUNTERS = ("num_batches_tracked", "n_averaged")
#: Where training programs keep averaged weights, which are those to predict with.
AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged?|averaging)([._]|$)", re.IGNORECASE)
AUXILIARY = "auxiliary."


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network that weights may be of: our row, the library that names its tensors (None: we), its tables, the names.

    `names` are our keys with the library's, `auxiliary` the same of auxiliary classifiers, which a bundle leaves out.
    """

    peer: str | None
    entry: Peer | None
    row: str
    names: Mapping[str, str]
    auxiliary: Mapping[str, str]

    def same(self, other: Candidate) -> bool:
        """Tell whether another candidate would make the same bundle of the same file."""
        kept = ("kernels", "mean", "std", "share", "classes")
        mine, theirs = ([getattr(each.entry, name, None) for name in kept] for each in (self, other))
        return (self.row, self.names, mine) == (other.row, other.names, theirs)


@dataclass(frozen=True, kw_only=True)
class Match:
    """The weights in a file that are taken: `place` is their key, `prefix` what stands before all of their names.

    `state` has the names without it, `besides` those of the set that do not begin with it. `peers` are all libraries
    with these names; `others` are the keys of further weights that would fit.
    """

    candidate: Candidate
    place: str
    prefix: str
    state: State
    besides: tuple[str, ...]
    peers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """The names that the network has and the weights have not."""
        names = self.candidate.names.values()
        return [name for name in names if name not in self.state and not name.endswith(COUNTERS)]

    @property
    def unknown(self) -> list[str]:
        """The names that the weights have and the network has not."""
        known = {*self.candidate.names.values(), *self.candidate.auxiliary.values()}
        return [name for name in (*self.state, *self.besides) if name not in known and not name.endswith(COUNTERS)]

    @property
    def left_out(self) -> list[str]:
        """The modules of auxiliary classifiers among the weights."""
        return modules(name for name in self.candidate.auxiliary.values() if name in self.state)


def find_match(path: Path, sets: Mapping[str, State], model: str, peer: str | None, key: str | None) -> Match:
    """Return the weights of a file that fit a network best; what is missing of the best is for the caller to say.

    Without `peer`, the names of the tensors say which library's they are; without `key`, averaged weights are taken
    where a file has them beside others. Raises InputError where either leaves several, or `key` is none of the file's.
    """
    found = [
        match
        for candidate in candidates(model, peer)
        for place, state in sets.items()
        for match in _matches(candidate, place, state)
    ]
    places = list(dict.fromkeys(match.place for match in found))
    if key is not None and key not in places:
        remedy = f"it has: {', '.join(filter(None, places)) or 'one set of weights, without a key'}"
        raise InputError("--key", f"{path} has no weights {key!r}{nearest(key, places)}", remedy)
    fitting = list(dict.fromkeys(match.place for match in found if not match.missing))
    taken = _default(path, fitting) if key is None else key
    best = _first([match for match in found if taken in (None, match.place)])
    return replace(best, others=tuple(place for place in fitting if place != best.place) if key is None else ())


def _default(path: Path, fitting: Sequence[str]) -> str | None:
    """Return the key of the weights to take where none was named: the only ones that fit, or the only averaged ones."""
    averaged = [place for place in fitting if AVERAGED.search(place)]
    if len(fitting) > 1 and len(averaged) != 1:
        raise InputError(path, f"has several weights that fit: {', '.join(fitting)}", f"choose with --key {fitting[0]}")
    return next(iter([*averaged, *fitting]), None)


def candidates(model: str, peer: str | None) -> list[Candidate]:
    """Return the networks of that name: a library's with `peer`, else ours and those of every library.

    Raises InputError for unknown names, and for networks that read no images.
    """
    entries: list[tuple[str | None, Peer | None, str]] = [(peer, *find_peer(peer, model))] if peer else []
    if not peer:
        entries = [*([(None, None, model)] if model in (*NAMES, *OWN) else []), *libraries(model)]
    keys: dict[str, list[str]] = {}
    for row in [row for _, _, row in entries] or [model]:
        if len(facts(row).shape.size) != 2:
            raise InputError("--model", f"{row} takes no images", "weights of networks for images can be imported")
        if row not in keys:
            with without_values():
                keys[row] = list(create(row).state_dict())
    return [_candidate(name, entry, row, keys[row]) for name, entry, row in entries]


def _candidate(peer: str | None, entry: Peer | None, row: str, keys: Iterable[str]) -> Candidate:
    names = translation(keys, entry.table(row)) if entry else {key: key for key in keys}
    own = {ours: theirs for ours, theirs in names.items() if not ours.startswith(AUXILIARY)}
    auxiliary = {ours: theirs for ours, theirs in names.items() if ours.startswith(AUXILIARY)}
    return Candidate(peer=peer, entry=entry, row=row, names=own, auxiliary=auxiliary)


def _matches(candidate: Candidate, key: str, state: State) -> list[Match]:
    """Return the matches in one set: several where it holds the network under several prefixes, at least one."""
    wanted = {name for name in candidate.names.values() if not name.endswith(COUNTERS)}
    counts = Counter(prefix for name in state for prefix, rest in _splits(name) if rest in wanted)
    whole = [prefix for prefix, count in counts.items() if count == len(wanted)]
    most = max(counts, key=lambda prefix: (counts[prefix], -len(prefix)), default="")
    found = []
    for prefix in whole or [most]:
        rest = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        besides = tuple(name for name in state if not name.startswith(tuple(whole or [most])))
        place = key if len(whole) < 2 else ".".join(part for part in (key, prefix.rstrip(".")) if part)
        found.append(Match(candidate=candidate, place=place, prefix=prefix, state=rest, besides=besides))
    return found


def _splits(name: str) -> Iterable[tuple[str, str]]:
    """Cut a name in two before each of its parts."""
    yield "", name
    for dot in re.finditer(r"\.", name):
        yield name[: dot.end()], name[dot.end() :]


def _first(matches: Sequence[Match]) -> Match:
    """Return the match with the fewest missing names; whole ones of different libraries must say the same."""
    best = min(matches, key=lambda match: len(match.missing) / len(match.candidate.names))
    equal = [match for match in matches if match.place == best.place and not match.missing] or [best]
    unlike = [match for match in equal if not match.candidate.same(best.candidate)]
    if unlike:
        peers = [str(match.candidate.peer) for match in (best, *unlike)]
        reason = f"is needed: the names of the tensors are those of {' and '.join(peers)}"
        raise InputError("--from", reason, f"choose with --from {peers[0]}")
    peers = [match.candidate.peer for match in equal if match.candidate.peer is not None]
    return replace(best, peers=tuple(peers))


def modules(names: Iterable[str]) -> list[str]:
    """Return the outermost modules of names, in order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in names))
