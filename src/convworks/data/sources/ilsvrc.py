"""ImageNet as the challenge of 2012 ships it, and as people keep it (ILSVRC2012, also the archive with CLS-LOC).

Below one folder lie train/nNNNNNNNN/*.JPEG and val/, either sorted alike or flat with ILSVRC2012_val_00000001.JPEG.
The labels of flat images are in LOC_val_solution.csv, or in the devkit's ground truth, which numbers classes as its
meta.mat does. Names of classes are in LOC_synset_mapping.txt, synset_words.txt or meta.mat; without these, classes
are called by their synsets. They are in the order of sorted synsets, as in all published weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

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

#: Where train and val lie below what people give.
PLACES = ("", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")
#: Where lists lie below the folder of the set.
LISTS = ("", "data", "devkit", "devkit/data", "ILSVRC2012_devkit_t12", "ILSVRC2012_devkit_t12/data")
WORDS = ("LOC_synset_mapping.txt", "synset_words.txt")
META, TRUTH, SOLUTION = "meta.mat", "ILSVRC2012_validation_ground_truth.txt", "LOC_val_solution.csv"
FORM = "nNNNNNNNN"
UNLABELLED = "without a label"
Labelled = list[tuple[str, str]]  # synset and name of each image


def recognise(folder: Path) -> bool:
    """Say whether the folder has the layout of ILSVRC2012."""
    return _locate(folder) is not None


def open_folder(folder: Path, *, name: str | None = None) -> Source:
    """Open a folder that `recognise` accepts; unsorted images under test/ have no labels and are left out.

    Raises InputError for lists that are missing, damaged or contradict each other or the images.
    """
    place = _locate(folder) or folder
    others: list[str] = []
    found: dict[str, Labelled] = {}
    unlabelled: list[str] = []
    folders = children(place)[0]
    parts = splits_by_name(place, folders)
    refuse_beside(place, parts.values(), (name for name in folders if split_of(name) is None and _sorted(place / name)))
    for split, part in parts.items():
        folders, files = _children(place / part)
        if any(map(SYNSET.fullmatch, folders)):
            found[split] = _sorted_images(place, part, folders, files, others, empty=split != TRAIN)
        elif split == VALIDATION and files:
            found[split] = _flat_images(place, part, files, others)
        elif split == TEST:
            unlabelled += [f"{part}/{file}" for file in walk(place / part)]
        elif folders or files:
            reason, packed = f"holds no {FORM}/ folders", [file for file in files if file.endswith(".tar")]
            advice = "unpack each archive into a folder of its name" if packed else f"sort the images into {FORM}/"
            raise InputError(place / part, reason, advice)
    synsets = sorted({synset for images in found.values() for synset, _ in images})
    numbers = {synset: number for number, synset in enumerate(synsets)}
    splits = {
        split: Split(
            labels=np.array([numbers[synset] for synset, _ in images], dtype=np.int64),
            names=tuple([image for _, image in images]),
            files=tuple([place / image for _, image in images]),
        )
        for split, images in found.items()
    }
    return Source(
        name=name or folder.resolve().name,
        kind="ilsvrc",
        path=folder,
        classes=_names(place, synsets),
        splits=splits,
        left_out={**reasons(others), **dict.fromkeys(unlabelled, UNLABELLED)},
    )


def _locate(folder: Path) -> Path | None:
    """Return the folder that holds train or val as the challenge has them."""
    for place in (folder / name for name in PLACES):
        for name in _children(place)[0]:
            if (split := split_of(name)) in (TRAIN, VALIDATION):
                folders, files = _children(place / name)
                if any(map(SYNSET.fullmatch, folders)):
                    return place
                if split == VALIDATION and any(map(VALIDATION_IMAGE.match, files)):
                    return place
    return None


def _sorted(folder: Path) -> bool:
    """Say whether a folder holds images, or folders of images as one that is sorted does; no more is looked at."""
    folders, files = children(folder)
    synset = next(filter(SYNSET.fullmatch, folders), None)
    return any(map(is_image, files if synset is None else children(folder / synset)[1]))


def _sorted_images(
    place: Path, part: str, folders: list[str], files: list[str], others: list[str], *, empty: bool
) -> Labelled:
    """List the images under folders that are called by synsets."""
    strange = next((name for name in folders if not SYNSET.fullmatch(name)), None)
    if strange is not None:
        raise InputError(place / part / strange, f"is no synset folder, as those beside it ({FORM})", "move it away")
    loose = next((name for name in files if is_image(name)), None)
    if loose is not None:
        raise InputError(place / part / loose, f"lies beside {FORM}/ folders", "move it into one of them, or away")
    others += [f"{part}/{name}" for name in files]
    images: Labelled = []
    for synset in folders:
        here = [f"{part}/{synset}/{name}" for name in walk(place / part / synset)]
        labelled = [(synset, name) for name in here if is_image(name)]
        rest = [name for name in here if not is_image(name)]
        if not labelled and not empty:
            where, advice = place / part / synset, remedy(rest, "add images, or remove it")
            raise InputError(where, "is a class folder without images", advice)
        images += labelled
        others += rest
    return images


def _flat_images(place: Path, part: str, files: list[str], others: list[str]) -> Labelled:
    """List validation images that are not sorted, with the synsets that a list gives them."""
    numbers: dict[int, str] = {}
    for name in files:
        match = VALIDATION_IMAGE.fullmatch(Path(name).stem)
        if not is_image(name):
            others.append(f"{part}/{name}")
        elif match is None:
            raise InputError(place / part / name, "is not called like ILSVRC2012_val_00000001.JPEG", "move it away")
        elif int(match[1]) in numbers:
            raise InputError(place / part / name, f"has the number of {numbers[int(match[1])]}", "keep one of them")
        else:
            numbers[int(match[1])] = name
    where, labels = _labels(place, part)
    for number, name in numbers.items():
        if number not in labels:
            raise InputError(where, f"says nothing of {part}/{name}", "fetch the list that belongs to the images")
    missing = sorted(labels.keys() - numbers.keys())
    if missing:
        reason = f"has {len(numbers)} of the {len(labels)} images in {where.name}, ILSVRC2012_val_{missing[0]:08d} not"
        raise InputError(place / part, reason, f"fetch what is missing, or sort the images into {part}/{FORM}/")
    return [(labels[number], f"{part}/{name}") for number, name in numbers.items()]


def _labels(place: Path, part: str) -> tuple[Path, dict[int, str]]:
    """Return the list with the synset of each validation image; where there are two lists, they must agree."""
    solution, truth, meta = (_find(place, name) for name in (SOLUTION, TRUTH, META))
    if solution is None and truth is None:
        remedy = f"put {SOLUTION} or the unpacked ILSVRC2012_devkit_t12/ beside it, or sort them into {part}/{FORM}/"
        raise InputError(place / part, "holds images without labels", remedy)
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


def _names(place: Path, synsets: list[str]) -> tuple[str, ...]:
    """Return readable names of the classes, where there is a list; else the synsets."""
    path = next((path for name in (*WORDS, META) if (path := _find(place, name)) is not None), None)
    if path is None:
        return tuple(synsets)
    words = dict(read_meta(path).values()) if path.name == META else read_words(path)
    unknown = [synset for synset in synsets if synset not in words]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        reason = f"does not name {unknown[0]}{more} of the images' {len(synsets)} classes"
        raise InputError(path, reason, "put the list there that belongs to them, or remove it")
    return class_names(synsets, words)


def _find(place: Path, name: str) -> Path | None:
    """Return a list by its name: beside train and val, in a devkit, or where the archive with CLS-LOC has it."""
    whole = place.absolute()
    above = (whole.parents[1], whole.parents[2]) if whole.parts[-2:] == ("Data", "CLS-LOC") else ()
    paths = (root / folder / name for root in (place, *above) for folder in LISTS)
    return next((path for path in paths if is_there(path)), None)


def _children(folder: Path) -> tuple[list[str], list[str]]:
    """List a folder's folders and files; what is no folder has none."""
    return children(folder) if folder.is_dir() else ([], [])
