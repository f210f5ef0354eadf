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
    """Silence Pillow's warnings about odd files, and make the one about decompression bombs an error.

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
            warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _keepers.pop().__exit__(None, None, None)
