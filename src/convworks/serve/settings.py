"""The settings of a server: which bundles under which names, and its limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convworks.bundle.description import is_exported, read_description
from convworks.bundle.pretrained import is_name
from convworks.errors import InputError
from convworks.files import path_of
from convworks.inference.combination import check_alike, kind_of

#: What a name in a URL may be.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Seconds: the longest deadline and the longest grace, so that a server that is asked to stop has stopped within 30 s.
LONGEST_DEADLINE, LONGEST_GRACE = 20.0, 5.0


@dataclass(frozen=True, kw_only=True)
class Named:
    """Bundles under one name; more than one form an ensemble."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server accepts.

    Attributes:
        max_bytes: size of the body of a request.
        max_images: images in a request.
        max_pixels: pixels of an image; None is the limit that the bundle names.
        max_batch: images computed together; None is what suits the network's input.
        queue: images that wait for a network.
        delay: seconds that an image waits for others to be computed with.
        deadline: seconds from the arrival of a request to its answer.
        grace: seconds between the announcement of the end (readiness) and the end of accepting.
        connections: open connections.
    """

    max_bytes: int = 32 * 2**20
    max_images: int = 64
    max_pixels: int | None = None
    max_batch: int | None = None
    queue: int = 256
    delay: float = 0.002
    deadline: float = 10.0
    grace: float = 2.0
    connections: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.deadline <= LONGEST_DEADLINE:
            reason = f"is {self.deadline:g} s, but must be above 0 and at most {LONGEST_DEADLINE:g}"
            raise InputError("--deadline", reason, "give fewer seconds")
        if not 0 <= self.delay < self.deadline:
            reason = f"is {1000 * self.delay:g} ms, but must be at least 0 and less than the deadline"
            raise InputError("--delay", reason, "give fewer milliseconds")
        if not 0 <= self.grace <= LONGEST_GRACE:
            reason = f"is {self.grace:g} s, but must be from 0 to {LONGEST_GRACE:g}"
            raise InputError("--grace", reason, "give fewer seconds")
        if self.max_images > self.queue:
            reason = f"is {self.queue}, less than the {self.max_images} images of a request"
            raise InputError("--queue", reason, "raise it, or lower --max-images")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of a server's settings; `watch` reloads bundles when they are replaced."""

    models: tuple[Named, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    limits: Limits = field(default_factory=Limits)
    runtime: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    api_key_file: Path | None = None
    watch: bool = False


def named(words: Sequence[str]) -> tuple[Named, ...]:
    """Return the bundles by name, in order: each word is BUNDLE, or NAME=BUNDLE.

    By default, the name of a bundle is that of its run or folder. Raises InputError for an impossible name.
    """
    paths: dict[str, list[Path]] = {}
    for word in words:
        name, path = _divided(word)
        paths.setdefault(name, []).append(path)
    return tuple(Named(name=name, paths=tuple(members)) for name, members in paths.items())


def _divided(word: str) -> tuple[str, Path]:
    head, equals, tail = word.partition("=")
    if equals and not path_of(word).exists():
        if not NAME.fullmatch(head):
            reason = f"{head!r} cannot be a name in a URL"
            raise InputError(word, reason, "use letters, digits, dots, hyphens and underscores")
        return head, path_of(tail)
    path = path_of(word)
    folder = path.parent if path.name == "bundle" else path
    name = re.sub("[^A-Za-z0-9._-]+", "-", folder.absolute().name.partition(":")[0]).strip("-._")
    name = name[: -len(path.suffix)] if path.is_file() and name.endswith(path.suffix) else name
    if not NAME.fullmatch(name):
        raise InputError(word, "has no name that a URL can hold", f"give it one: NAME={word}")
    return name, path


def check_bundles(named: Named) -> None:
    """Raise InputError for a bundle that does not exist or is damaged, and for different classes under one name.

    The weights are not read: the worker does that, as it does all of an exported file.
    """
    described = []
    for path in named.paths:
        if is_name(path):  # of published weights, which the worker fetches
            continue
        if not is_exported(path):
            description = read_description(path)[0]
            described.append((path, kind_of(description)))
        elif not path.exists():
            raise InputError(path, "does not exist", "check the path")
    if described:
        paths, kinds = zip(*described, strict=True)
        check_alike(paths, kinds, named.name)
