"""Class folders: ROOT/CLASS/*.jpg, or ROOT/SPLIT/CLASS/*.jpg with the split names of split_names.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from convworks.data.column import Arrays, Files
from convworks.data.formats import SUFFIXES
from convworks.data.labels import UNLABELLED
from convworks.data.source import Source, Split
from convworks.data.sources.image_names import is_image
from convworks.data.sources.left_out import EMPTY, in_parentheses, reasons, remedy
from convworks.data.sources.pairs import INPUTS, TARGETS
from convworks.data.sources.split_names import ALL, TRAIN, refuse_beside, split_of, split_within, splits_by_name
from convworks.data.sources.walk import children, holds_images, walk
from convworks.errors import InputError

#: Folders below a class named by the date on which its images were taken, not classes.
DATE = re.compile(r"(19|20)\d\d([-_. ]?\d\d){0,2}")
SHOWN = 5


def open_folder(root: Path) -> Source:
    """Open class folders, with or without split folders above them, or images without classes."""
    folders, files = children(root)
    _refuse_pairs(root, folders)
    named = [name for name in folders if split_of(name) is not None]
    if any(children(root / name)[0] for name in named):
        return _open_splits(root, named, [name for name in folders if name not in named], files)
    splits = {split_of(name) for name in named}
    if named and (len(named) == len(folders) or (TRAIN in splits and len(splits) > 1)):
        reason = f"{', '.join(named)} hold no class folders"
        raise InputError(root, reason, f"sort the images into {named[0]}/CLASS/")
    if not folders and any(map(is_image, files)):
        return _open_flat(root, files)
    listed = _list(root, folders)
    _check_levels(root, listed)
    if not any(listed.images.values()):
        others = [*files, *listed.others]
        reason = f"contains no images {in_parentheses(others)}"
        otherwise = f"give a folder of class folders with {', '.join(SUFFIXES[:4])}, ... files"
        raise InputError(root, reason, remedy(others, otherwise))
    return _build(root, {ALL: listed}, [*files, *listed.others])


def _open_splits(root: Path, named: list[str], beside: list[str], files: list[str]) -> Source:
    """Open ROOT/SPLIT/CLASS; the classes are the union over all splits."""
    chosen = splits_by_name(root, named)
    refuse_beside(root, named, [name for name in beside if holds_images(root / name)])
    left_out = [*files, *(f"{name}/{child}" for name in beside for child in walk(root / name))]
    splits, empty = {}, []
    for split, name in chosen.items():
        folders, loose = children(root / name)
        _refuse_pairs(root / name, folders)
        if split != TRAIN and next(walk(root / name), None) is None:
            empty.append(f"{name}/")
            continue
        if not folders:
            raise InputError(root / name, "contains no class folders", f"sort the images into {name}/CLASS/")
        splits[split] = listed = _list(root, folders, f"{name}/", empty=split != TRAIN)
        left_out += [*(f"{name}/{file}" for file in loose), *listed.others]
        if not any(listed.images.values()):
            others = [*loose, *listed.others]
            raise InputError(
                root / name, f"contains no images {in_parentheses(others)}", remedy(others, "add some, or remove it")
            )
    if not splits:
        raise InputError(root, f"contains no files in {', '.join(empty)}", "sort images into train/CLASS/")
    return _build(root, splits, left_out, empty)


def _open_flat(root: Path, files: list[str]) -> Source:
    """Open a folder of images without classes: one split, with all labels -1."""
    images = [name for name in files if is_image(name)]
    others = [name for name in files if not is_image(name)]
    return _build(root, {ALL: _ClassFiles(images={"": images})}, others)


@dataclass
class _ClassFiles:
    """The images of each class folder, in order, and all other files; paths are relative to the source."""

    images: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def _build(root: Path, splits: Mapping[str, _ClassFiles], left_out: list[str], empty: Iterable[str] = ()) -> Source:
    """Build a source; its classes are the folders that hold images in any split."""
    nonempty = {folder for listed in splits.values() for folder, names in listed.images.items() if names}
    classes = tuple(sorted(nonempty - {""}))
    numbers = {name: number for number, name in enumerate(classes)} | {"": UNLABELLED}
    return Source(
        name=root.resolve().name,
        kind="folder",
        path=root,
        classes=classes,
        splits={
            split: Split(
                names=tuple([name for names in listed.images.values() for name in names]),
                inputs=Files(tuple([root / name for names in listed.images.values() for name in names])),
                targets=Arrays(
                    np.array([numbers[folder] for folder, names in listed.images.items() for _ in names], np.int64)
                ),
            )
            for split, listed in splits.items()
        },
        left_out={**reasons(left_out), **dict.fromkeys(empty, EMPTY)},
    )


def _list(root: Path, folders: list[str], prefix: str = "", *, empty: bool = False) -> _ClassFiles:
    """List the images of each class folder; raises InputError for a folder without any, unless `empty` is allowed."""
    listed, first_empty = _ClassFiles(), ""
    for folder in folders:
        names = sorted(walk(root / prefix / folder))
        listed.images[folder] = [f"{prefix}{folder}/{name}" for name in names if is_image(name)]
        if len(listed.images[folder]) < len(names):
            listed.others += [f"{prefix}{folder}/{name}" for name in names if not is_image(name)]
        if not listed.images[folder] and not first_empty:
            first_empty = folder
    if first_empty and not empty and any(listed.images.values()):
        others = [name for name in listed.others if name.startswith(f"{prefix}{first_empty}/")]
        reason = "is a class folder without images" + (f" {in_parentheses(others)}" if others else "")
        raise InputError(root / prefix / first_empty, reason, remedy(others, "add images, or remove it"))
    return listed


def _refuse_pairs(root: Path, folders: list[str]) -> None:
    """Refuse folders of images beside folders of annotations that are no masks, by their names."""
    inputs = [name for name in folders if name.lower() in INPUTS]
    targets = [name for name in folders if name.lower() in TARGETS]
    if not inputs or not targets:
        return
    if holds_images(root / targets[0]) and not holds_images(root / inputs[0]):
        reason = f"holds no images, but {targets[0]}/ beside it does"
        raise InputError(root / inputs[0], reason, "put the images of these masks there")
    pair = f"{inputs[0]}/ and {targets[0]}/"
    reason = f"holds {pair}: images with annotations that are no images of masks, not classes"
    remedy = (
        f"to classify images, sort them into one folder per class; to learn without labels, give {root / inputs[0]}"
    )
    if len(folders) == 2:
        remedy += "; rename the folders if they are classes"
    raise InputError(root, reason, remedy)


def _check_levels(root: Path, listed: _ClassFiles) -> None:
    """Refuse folders that are unlikely to be classes: named like splits, or holding splits, or the same subfolders.

    If every class folder holds only folders, and all have two or more of these in common, the classes may be at either
    level (`part1/cat`, `part1/dog`, `part2/cat`, `part2/dog`) or at neither (`cat/images`, `cat/masks`). The folders
    are accepted if any holds images directly, or if the common subfolders are named by date.
    """
    names = {folder: [image.split("/")[1:] for image in images] for folder, images in listed.images.items()}
    within = {split_within(folder) for folder in names} - {None}
    if TRAIN in within and len(within) > 1:
        called = [folder for folder in names if split_within(folder)]
        reason = f"{_some(called)} would be classes, but are named like splits"
        raise InputError(root, reason, "name them train, val or test, and put class folders right below")
    subfolders = {folder: {parts[0] for parts in images if len(parts) > 1} for folder, images in names.items()}
    direct = any(len(parts) == 1 for images in names.values() for parts in images)
    splits = {folder: {split_of(name) for name in folders} - {None} for folder, folders in subfolders.items()}
    divided = next((folder for folder in splits if len(splits[folder]) > 1), None)
    if divided is None and splits and not direct and all(splits.values()):
        divided = next(iter(splits))
    if divided is not None:
        reason = f"would be a class, but holds the splits {_some(n for n in subfolders[divided] if split_of(n))}"
        otherwise = f"put the splits above the classes: train/{divided}/, test/{divided}/"
        raise InputError(root / divided, reason, f"give {root / divided}" if len(subfolders) == 1 else otherwise)
    common = set.intersection(*subfolders.values()) if subfolders else set()
    if direct or len(common) < 2 or all(map(DATE.fullmatch, common)):
        return
    reason = f"{_some(subfolders)} would be classes, but all hold the folders {_some(common)}"
    if len(subfolders) == 1:
        reason = f"{_some(subfolders)} would be the only class, but holds the folders {_some(common)}"
    first = root / next(iter(subfolders))
    advice = f"give {first} where these are the classes; name folders above classes train, val or test"
    raise InputError(root, reason, f"{advice}; or give a .csv that names paths and labels")


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:SHOWN]) + (f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else "")
