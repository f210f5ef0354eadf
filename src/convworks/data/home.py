"""The user's cache folder."""

from __future__ import annotations

from pathlib import Path

from convworks.errors import InputError
from convworks.files import path_from


class NoCacheError(InputError):
    """The user's cache folder cannot be determined."""


def cache_folder() -> Path:
    """Return the user's cache folder, which may not exist yet; raises NoCacheError for a user without a home."""
    base = path_from("XDG_CACHE_HOME")
    try:
        return (base if base is not None else Path.home() / ".cache") / "convworks"
    except RuntimeError:  # as in containers, where a user may be a mere number
        reason = "is not set, and the system does not know this user: there is no place for a cache"
        raise NoCacheError("HOME", reason, "set XDG_CACHE_HOME to a folder") from None
