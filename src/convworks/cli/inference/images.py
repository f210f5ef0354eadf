"""The image files that a command's paths name, and the error of a command that fails on all of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convworks.console import say
from convworks.data.formats import SUFFIXES
from convworks.data.sources.image_names import is_image, looks_like_image
from convworks.data.sources.left_out import line, reasons, remedy
from convworks.data.sources.walk import match_pattern, walk
from convworks.errors import ConvworksError, InputError, RunError


def no_answer(broken: Sequence[dict[str, Any]]) -> ConvworksError:
    """Return the error of a command that failed on every image."""
    from convworks.inference.limits import NO_OVERFLOW, OVERFLOW

    first, more = broken[0], f" (and {len(broken) - 1} more failed)" if len(broken) > 1 else ""
    if first["error"] == OVERFLOW:
        return RunError(first["path"], OVERFLOW + more, NO_OVERFLOW)
    return InputError(first["path"], first["error"] + more, "give images that can be read")


def find_images(paths: Sequence[str]) -> list[Path]:
    """Return the image files that files, folders and patterns (data/sources/walk.py) name, each once, in order."""
    files: dict[Path, None] = {}
    for text in paths:
        if not text.strip():
            raise InputError("PATH", "is empty", "give an image, a folder or a pattern")
        path = Path(text)
        if os.path.isdir(path):
            names = sorted(walk(path))
            images = [path / name for name in names if is_image(name)]
            if not images:
                raise InputError(path, "contains no images", remedy(names, f"image files end in {', '.join(SUFFIXES)}"))
            if unread := [name for name in names if looks_like_image(name) and not is_image(name)]:
                say(line(text, reasons(unread)))
        elif os.path.lexists(path):
            images = [path]
        else:
            images = match_pattern(text)
            if not images:
                raise InputError(text, "no such file, folder or matching pattern", "check the path")
        files.update(dict.fromkeys(images))
    return list(files)
