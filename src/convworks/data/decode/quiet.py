"""Silencing Pillow's warnings, from any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_lock = threading.Lock()
_contexts: list[warnings.catch_warnings[None]] = []
_users = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings about odd files, and about large ones, for which convworks has its own limit.

    Python's warning filters are global to the process: the first of nested or concurrent users sets them, the last
    restores them.
    """
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            context = warnings.catch_warnings()
            context.__enter__()
            _contexts.append(context)
            warnings.filterwarnings("ignore", module="PIL")
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _contexts.pop().__exit__(None, None, None)


@contextmanager
def unlimited() -> Iterator[None]:
    """Let Pillow open images of any number of pixels within the context; its limit is global to the process."""
    with _lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
