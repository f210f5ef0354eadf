"""Walking folders, the same way for every command: hidden entries are skipped, links are followed.

Files that operating systems create (image_names.SYSTEM) are ignored.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from convworks.data.sources.image_names import is_hidden, is_image, is_system, looks_like_image
from convworks.errors import InputError
from convworks.files import unreadable

Identity = tuple[int, int]


def children(folder: Path) -> tuple[list[str], list[str]]:
    """List the subfolders and files of a folder by name; a hidden folder is among the files, with a trailing slash."""
    try:
        with os.scandir(folder) as entries:
            pairs = sorted((entry.name, _is_folder(entry)) for entry in entries if not is_system(entry.name))
    except OSError as error:
        raise unreadable(folder, error) from None
    folders = [name for name, is_folder in pairs if is_folder and not is_hidden(name)]
    files = [f"{name}/" if is_folder else name for name, is_folder in pairs if not is_folder or is_hidden(name)]
    return folders, files


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder; raises InputError for one that cannot be examined, as a link to itself."""
    try:
        return entry.is_dir()
    except OSError as error:
        raise unreadable(entry.path, error) from None


def walk(folder: Path, above: frozenset[Identity] = frozenset()) -> Iterator[str]:
    """Yield the files below a folder, as paths relative to it; a hidden folder as one name, with a trailing slash.

    Links are followed; a cycle raises InputError.
    """
    folders, files = children(folder)
    here = above | {_identity(folder, above)}
    yield from files
    for name in folders:
        for child in walk(folder / name, here):
            yield f"{name}/{child}"


def holds_images(folder: Path) -> bool:
    """Return whether there is an image anywhere below a folder, readable here or not."""
    return any(map(looks_like_image, walk(folder)))


def match_pattern(pattern: str) -> list[Path]:
    """Return the files that match a pattern with *, ?, [...] and **: images only, or all files if none is an image."""
    path = Path(pattern)
    start = Path(path.anchor)
    components = path.parts[1:] if path.anchor else path.parts
    pairs = zip(components, ("", *components), strict=False)
    parts = [part for part, before in pairs if part != "**" or before != "**"]
    matches = sorted(dict.fromkeys(_matches(start, parts, frozenset())))
    return [match for match in matches if is_image(match.name)] or matches


def path_on_disk(path: Path) -> Path | None:
    """Return a path in the Unicode normalisation used on disk; None if it does not exist."""
    if os.path.lexists(path):
        return path
    if str(path).isascii():
        return None
    existing = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        spellings = (part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD")))
        child = next((existing / name for name in spellings if os.path.lexists(existing / name)), None)
        if child is None:
            return None
        existing = child
    return existing


def _matches(folder: Path, parts: Sequence[str], above: frozenset[Identity]) -> Iterator[Path]:
    """Yield the files below a folder that match the parts of a pattern; `above` are the folders that ** has entered."""
    if not parts:
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        folders, _ = children(folder)
        here = above | {_identity(folder, above)}
        yield from _matches(folder, rest or ("*",), frozenset())
        for name in folders:
            yield from _matches(folder / name, parts, here)
        return
    if glob.has_magic(part):
        folders, files = children(folder)
        names = fnmatch.filter(folders if rest else [name for name in files if not is_hidden(name)], part)
    else:
        names = [part] if os.path.exists(folder / part) else []
    for name in names:
        if not rest:
            if not os.path.isdir(folder / name):
                yield folder / name
        elif os.path.isdir(folder / name):
            yield from _matches(folder / name, rest, frozenset())


def _identity(folder: Path, above: frozenset[Identity]) -> Identity:
    """Return the device and inode of a folder; raises InputError if it is one of those above it."""
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        raise InputError(folder, "links back to a folder above it", "remove the link")
    return identity
