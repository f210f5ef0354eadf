"""Pillow without its warnings, from any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_lock = threading.Lock()
_keepers: list[warnings.catch_warnings[None]] = []
_users = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings about odd files, and about many pixels, whose limit is convworks's own.

    Python's warning filters belong to the process, not to a thread: the first of nested or parallel users
    sets them, the last puts them back.
    """
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            keeper = warnings.catch_warnings()
            keeper.__enter__()
            _keepers.append(keeper)
            warnings.filterwarnings("ignore", module="PIL")
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _keepers.pop().__exit__(None, None, None)


@contextmanager
def unlimited() -> Iterator[None]:
    """Have Pillow open images of any number of pixels, for a moment: its limit, too, belongs to the process."""
    with _lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
