"""Which files are images, by name, and which are hidden or created by an operating system."""

from __future__ import annotations

import importlib.util
from functools import cache

from convworks.data.formats import HEIC, SUFFIXES

#: Lower-case names of files that operating systems and programs create; ignored without a message.
SYSTEM = frozenset(
    {
        *(".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx", ".ipynb_checkpoints"),
        *("#recycle", "$recycle.bin", "#snapshot", "system volume information", "lost+found"),
    }
)


def is_image(name: str) -> bool:
    """Return whether a file name has the suffix of an image that can be read here, and is not hidden."""
    return looks_like_image(name) and (not is_heic(name) or heic_available())


def looks_like_image(name: str) -> bool:
    """Return whether a file name has the suffix of an image, including HEIC, and is not hidden."""
    return name.lower().endswith(SUFFIXES + HEIC) and not is_hidden(name)


def is_heic(name: str) -> bool:
    """Return whether a file name has the suffix of an image that only pillow-heif reads."""
    return name.lower().endswith(HEIC)


def is_hidden(name: str) -> bool:
    """Return whether a name, or the last component of a path, begins with a dot."""
    return name.rpartition("/")[2].startswith(".")


def is_system(name: str) -> bool:
    """Return whether a name is that of a file or folder created by an operating system (`._photo.jpg`, `Thumbs.db`)."""
    return name.startswith("._") or name.lower() in SYSTEM


@cache
def heic_available() -> bool:
    """Return whether pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None
