"""Class folders: ROOT/CLASS/*.jpg, or ROOT/{train,val,test}/CLASS/*.jpg."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convworks.data.formats import SUFFIXES
from convworks.data.source import Source, Split
from convworks.errors import InputError

SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
UNLABELLED = -1


def open_folder(root: Path) -> Source:
    """Open class folders, with or without train/val/test above them, or images without classes."""
    folders, files = _children(root)
    named = [name for name in folders if name.lower() in SPLITS]
    layered = [name for name in named if _children(root / name)[0]]
    if layered:
        ignored = list(files)
        for name in folders:
            if name not in named:
                ignored += [f"{name}/{child}" for child in _walk(root / name)]
        return _open_splits(root, named, ignored)
    if named and len(named) == len(folders):
        reason = f"{', '.join(named)} hold no class folders"
        raise InputError(root, reason, f"sort the images into {named[0]}/CLASS/")
    images = [name for name in files if is_image(name)]
    if not folders and images:
        return _open_flat(root, files)
    labels, names, ignored = _list_classes(root, "", folders)
    if not names:
        reason = f"holds no images ({len(ignored) + len(files)} other files)"
        raise InputError(root, reason, f"give a folder of class folders with {', '.join(SUFFIXES[:4])}, ... files")
    return _build(root, tuple(folders), {"train": (labels, names)}, [*files, *ignored])


def is_image(name: str) -> bool:
    """Say whether a file's name ends like an image's and is not hidden."""
    return name.lower().endswith(SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def _open_splits(root: Path, named: list[str], ignored: list[str]) -> Source:
    """Open ROOT/{train,val,test}; class names are those of all splits together."""
    chosen: dict[str, str] = {}
    for name in named:
        split = SPLITS[name.lower()]
        if split in chosen:
            raise InputError(root, f"has both {chosen[split]}/ and {name}/", "keep one of them")
        chosen[split] = name
    inside = {split: _children(root / name) for split, name in chosen.items()}
    classes = sorted(set().union(*(folders for folders, _ in inside.values())))
    numbers = {name: number for number, name in enumerate(classes)}
    listed = {}
    for split in ("train", "validation", "test"):
        if split not in chosen:
            continue
        folders, files = inside[split]
        if not folders:
            raise InputError(
                root / chosen[split], "holds no class folders", f"sort the images into {chosen[split]}/CLASS/"
            )
        labels, names, others = _list_classes(root, f"{chosen[split]}/", folders)
        if not names:
            raise InputError(
                root / chosen[split], f"holds no images ({len(others)} other files)", "add some, or remove it"
            )
        listed[split] = ([numbers[folders[label]] for label in labels], names)
        ignored += [f"{chosen[split]}/{name}" for name in files] + others
    return _build(root, tuple(classes), listed, ignored)


def _open_flat(root: Path, files: list[str]) -> Source:
    """Open a folder of images without classes: one split, test, with labels -1."""
    names = [name for name in files if is_image(name)]
    others = [name for name in files if not is_image(name)]
    return _build(root, (), {"test": ([UNLABELLED] * len(names), names)}, others)


def _build(
    root: Path, classes: tuple[str, ...], listed: dict[str, tuple[list[int], list[str]]], ignored: list[str]
) -> Source:
    splits = {
        split: Split(
            labels=np.array(labels, dtype=np.int64),
            names=tuple(names),
            files=tuple([root / name for name in names]),
        )
        for split, (labels, names) in listed.items()
    }
    return Source(
        name=root.resolve().name,
        kind="folder",
        path=root,
        classes=classes,
        splits=splits,
        ignored=tuple(ignored),
    )


def _list_classes(root: Path, prefix: str, folders: list[str]) -> tuple[list[int], list[str], list[str]]:
    """List labels and names of the images under each class folder, and the names of all other files."""
    labels: list[int] = []
    names: list[str] = []
    ignored: list[str] = []
    empty = []
    for label, folder in enumerate(folders):
        found = sorted(_walk(root / prefix / folder))
        images = [f"{prefix}{folder}/{name}" for name in found if is_image(name)]
        ignored += [f"{prefix}{folder}/{name}" for name in found if not is_image(name)]
        labels += [label] * len(images)
        names += images
        if not images:
            empty.append(folder)
    if empty and names:
        raise InputError(root / prefix / empty[0], "is a class folder without images", "add images, or remove it")
    return labels, names, ignored


def _walk(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Yield the files under a folder, as paths relative to it; links are followed, but never in a circle."""
    folders, files = _children(folder)
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        raise InputError(folder, "links back to a folder above it", "remove the link")
    yield from files
    for name in folders:
        for child in _walk(folder / name, above | {identity}):
            yield f"{name}/{child}"


def _children(folder: Path) -> tuple[list[str], list[str]]:
    """List a folder's folders and files by name; hidden folders are left out."""
    try:
        with os.scandir(folder) as entries:
            pairs = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError as error:
        raise InputError(folder, f"cannot be read ({error.strerror})", "check the folder and its permissions") from None
    folders = [name for name, is_folder in pairs if is_folder and not name.startswith((".", "__MACOSX"))]
    return folders, [name for name, is_folder in pairs if not is_folder]
