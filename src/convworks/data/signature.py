"""What a set of files is known by without reading them: their paths, sizes and times."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path


def signature_of(files: Sequence[Path], recipe: str, *, most_files: int = 0, most_bytes: int = 0) -> str | None:
    """Return a digest of path, size and modification time of all files, and of what is done to them.

    None where one cannot be read (who decodes it says why), and for fewer files and bytes than `most_...`.
    """
    try:
        states = [os.stat(file) for file in files]
    except OSError:
        return None
    if len(files) < most_files and sum(state.st_size for state in states) < most_bytes:
        return None
    facts = [(os.path.abspath(file), s.st_size, s.st_mtime_ns) for file, s in zip(files, states, strict=True)]
    return digest(repr((recipe, facts)).encode("utf-8", "surrogateescape"))


def digest(content: bytes) -> str:
    """Return a digest as a name of 32 letters."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
