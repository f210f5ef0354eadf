"""Which files are images, by their names, and which are hidden or something a system has left behind."""

from __future__ import annotations

import importlib.util
from functools import cache

from convworks.data.formats import HEIC, SUFFIXES

#: What systems and programs put beside people's files, in small letters: nobody's images, and not worth a word.
SYSTEM = frozenset(
    {
        *(".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx", ".ipynb_checkpoints"),
        *("#recycle", "$recycle.bin", "#snapshot", "system volume information", "lost+found"),
    }
)


def is_image(name: str) -> bool:
    """Say whether a file's name ends like that of an image that can be read here, and is not hidden."""
    return looks_like_image(name) and (not is_heic(name) or heic_available())


def looks_like_image(name: str) -> bool:
    """Say whether a file's name ends like an image's, be it one that needs pillow-heif, and is not hidden."""
    return name.lower().endswith(SUFFIXES + HEIC) and not is_hidden(name)


def is_heic(name: str) -> bool:
    """Say whether a file's name ends like an image's that only pillow-heif reads."""
    return name.lower().endswith(HEIC)


def is_hidden(name: str) -> bool:
    """Say whether a name, or the last one of a path, begins with a dot."""
    return name.rpartition("/")[2].startswith(".")


def is_system(name: str) -> bool:
    """Say whether a name is that of a file or folder which a system has left behind (`._photo.jpg`, `Thumbs.db`)."""
    return name.startswith("._") or name.lower() in SYSTEM


@cache
def heic_available() -> bool:
    """Say whether pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None
