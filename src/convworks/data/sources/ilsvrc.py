"""ImageNet in the layouts of the ILSVRC2012 challenge and of the CLS-LOC archive.

One folder holds train/nNNNNNNNN/*.JPEG and val/, which is either sorted likewise or flat, with
ILSVRC2012_val_00000001.JPEG and so on. Labels of flat images come from LOC_val_solution.csv, or from the devkit's
ground truth, which numbers classes as its meta.mat does. Class names come from LOC_synset_mapping.txt,
synset_words.txt or meta.mat; otherwise classes are named by their synsets. Classes are ordered by synset, as in all
published weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convworks.data.column import Arrays, Files
from convworks.data.source import Source, Split
from convworks.data.sources.image_names import is_image
from convworks.data.sources.left_out import reasons, remedy
from convworks.data.sources.split_names import TEST, TRAIN, VALIDATION, refuse_beside, split_of, splits_by_name
from convworks.data.sources.synsets import (
    SYNSET,
    VALIDATION_IMAGE,
    class_names,
    read_ground_truth,
    read_meta,
    read_solution,
    read_words,
)
from convworks.data.sources.walk import children, walk
from convworks.errors import InputError
from convworks.files import is_there

#: Where train and val lie below the folder of the set.
PLACES = ("", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")
#: Where the lists lie below the folder of the set.
LISTS = ("", "data", "devkit", "devkit/data", "ILSVRC2012_devkit_t12", "ILSVRC2012_devkit_t12/data")
WORDS = ("LOC_synset_mapping.txt", "synset_words.txt")
META, TRUTH, SOLUTION = "meta.mat", "ILSVRC2012_validation_ground_truth.txt", "LOC_val_solution.csv"
FORM = "nNNNNNNNN"
UNLABELLED = "without a label"
Labelled = list[tuple[str, str]]  # synset and name of each image


def recognise(folder: Path) -> bool:
    """Return whether the folder has the layout of ILSVRC2012."""
    return _locate(folder) is not None


def open_folder(folder: Path, *, name: str | None = None) -> Source:
    """Open a folder accepted by `recognise`; unsorted images under test/ have no labels and are left out.

    Raises InputError for lists that are missing, damaged or inconsistent with each other or the images.
    """
    root = _locate(folder) or folder
    others: list[str] = []
    labelled: dict[str, Labelled] = {}
    unlabelled: list[str] = []
    folders = children(root)[0]
    split_folders = splits_by_name(root, folders)
    refuse_beside(
        root, split_folders.values(), (name for name in folders if split_of(name) is None and _sorted(root / name))
    )
    for split, part in split_folders.items():
        folders, files = _children(root / part)
        if any(map(SYNSET.fullmatch, folders)):
            labelled[split] = _sorted_images(root, part, folders, files, others, empty=split != TRAIN)
        elif split == VALIDATION and files:
            labelled[split] = _flat_images(root, part, files, others)
        elif split == TEST:
            unlabelled += [f"{part}/{file}" for file in walk(root / part)]
        elif folders or files:
            reason, packed = f"holds no {FORM}/ folders", [file for file in files if file.endswith(".tar")]
            advice = "unpack each archive into a folder of its name" if packed else f"sort the images into {FORM}/"
            raise InputError(root / part, reason, advice)
    synsets = sorted({synset for images in labelled.values() for synset, _ in images})
    numbers = {synset: number for number, synset in enumerate(synsets)}
    splits = {
        split: Split(
            names=tuple([image for _, image in images]),
            inputs=Files(tuple([root / image for _, image in images])),
            targets=Arrays(np.array([numbers[synset] for synset, _ in images], dtype=np.int64)),
        )
        for split, images in labelled.items()
    }
    return Source(
        name=name or folder.resolve().name,
        kind="ilsvrc",
        path=folder,
        classes=_names(root, synsets),
        splits=splits,
        left_out={**reasons(others), **dict.fromkeys(unlabelled, UNLABELLED)},
    )


def _locate(folder: Path) -> Path | None:
    """Return the folder that holds train or val in the layout of the challenge."""
    for root in (folder / name for name in PLACES):
        for name in _children(root)[0]:
            if (split := split_of(name)) in (TRAIN, VALIDATION):
                folders, files = _children(root / name)
                if any(map(SYNSET.fullmatch, folders)):
                    return root
                if split == VALIDATION and any(map(VALIDATION_IMAGE.match, files)):
                    return root
    return None


def _sorted(folder: Path) -> bool:
    """Return whether a folder holds images, or its first synset folder does."""
    folders, files = children(folder)
    synset = next(filter(SYNSET.fullmatch, folders), None)
    return any(map(is_image, files if synset is None else children(folder / synset)[1]))


def _sorted_images(
    root: Path, part: str, folders: list[str], files: list[str], others: list[str], *, empty: bool
) -> Labelled:
    """List the images in folders named by synset."""
    unexpected = next((name for name in folders if not SYNSET.fullmatch(name)), None)
    if unexpected is not None:
        raise InputError(
            root / part / unexpected, f"is not a synset folder, as those beside it ({FORM})", "move it away"
        )
    loose = next((name for name in files if is_image(name)), None)
    if loose is not None:
        raise InputError(root / part / loose, f"lies beside {FORM}/ folders", "move it into one of them, or away")
    others += [f"{part}/{name}" for name in files]
    images: Labelled = []
    for synset in folders:
        paths = [f"{part}/{synset}/{name}" for name in walk(root / part / synset)]
        labelled = [(synset, name) for name in paths if is_image(name)]
        rest = [name for name in paths if not is_image(name)]
        if not labelled and not empty:
            where, advice = root / part / synset, remedy(rest, "add images, or remove it")
            raise InputError(where, "is a class folder without images", advice)
        images += labelled
        others += rest
    return images


def _flat_images(root: Path, part: str, files: list[str], others: list[str]) -> Labelled:
    """List unsorted validation images with their synsets, which come from a list."""
    numbers: dict[int, str] = {}
    for name in files:
        match = VALIDATION_IMAGE.fullmatch(Path(name).stem)
        if not is_image(name):
            others.append(f"{part}/{name}")
        elif match is None:
            raise InputError(root / part / name, "is not named like ILSVRC2012_val_00000001.JPEG", "move it away")
        elif int(match[1]) in numbers:
            raise InputError(root / part / name, f"has the number of {numbers[int(match[1])]}", "keep one of them")
        else:
            numbers[int(match[1])] = name
    where, labels = _labels(root, part)
    for number, name in numbers.items():
        if number not in labels:
            raise InputError(where, f"does not list {part}/{name}", "fetch the list that belongs to the images")
    missing = sorted(labels.keys() - numbers.keys())
    if missing:
        reason = f"has {len(numbers)} of the {len(labels)} images in {where.name}, ILSVRC2012_val_{missing[0]:08d} not"
        raise InputError(root / part, reason, f"fetch what is missing, or sort the images into {part}/{FORM}/")
    return [(labels[number], f"{part}/{name}") for number, name in numbers.items()]


def _labels(root: Path, part: str) -> tuple[Path, dict[int, str]]:
    """Return the path of a list and the synset of each validation image; two lists must agree."""
    solution, truth, meta = (_find(root, name) for name in (SOLUTION, TRUTH, META))
    if solution is None and truth is None:
        remedy = f"put {SOLUTION} or the unpacked ILSVRC2012_devkit_t12/ beside it, or sort them into {part}/{FORM}/"
        raise InputError(root / part, "has images without labels", remedy)
    official: dict[int, str] = {}
    if truth is not None and meta is not None:
        official = read_ground_truth(truth, read_meta(meta))
    if solution is not None:
        labels = read_solution(solution)
        for number in sorted(labels.keys() & official.keys()):
            if labels[number] != official[number]:
                reason = f"says {labels[number]} of image {number}, {TRUTH} says {official[number]}"
                raise InputError(solution, reason, "keep the right one of them")
        return solution, labels
    assert truth is not None
    if meta is None:
        reason = f"counts the classes in the order of the devkit's {META}, which is not there"
        raise InputError(truth, reason, f"put ILSVRC2012_devkit_t12/data/{META} beside it")
    return truth, official


def _names(root: Path, synsets: list[str]) -> tuple[str, ...]:
    """Return readable class names if there is a list, else the synsets."""
    path = next((path for name in (*WORDS, META) if (path := _find(root, name)) is not None), None)
    if path is None:
        return tuple(synsets)
    words = dict(read_meta(path).values()) if path.name == META else read_words(path)
    unknown = [synset for synset in synsets if synset not in words]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        reason = f"does not name {unknown[0]}{more} of the images' {len(synsets)} classes"
        raise InputError(path, reason, "put the list there that belongs to them, or remove it")
    return class_names(synsets, words)


def _find(root: Path, name: str) -> Path | None:
    """Return the path of a list: beside train and val, in a devkit, or where the CLS-LOC archive has it."""
    absolute = root.absolute()
    parents = (absolute.parents[1], absolute.parents[2]) if absolute.parts[-2:] == ("Data", "CLS-LOC") else ()
    paths = (base / folder / name for base in (root, *parents) for folder in LISTS)
    return next((path for path in paths if is_there(path)), None)


def _children(folder: Path) -> tuple[list[str], list[str]]:
    """List the subfolders and files of a folder; both are empty if it is not a folder."""
    return children(folder) if folder.is_dir() else ([], [])
