"""Which images a run trains on and which it is validated on: a share split off, or a fold of a cross-validation."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Int64

from convworks.data.config import DataConfig, Fold
from convworks.data.labels import count, has_label_sets
from convworks.data.source import Source, Split, split_off, training_split, with_validation
from convworks.data.sources.split_names import VALIDATION
from convworks.data.split.stratify import assign_parts, choose
from convworks.errors import InputError


def divide(source: Source, data: DataConfig, seed: int) -> Source:
    """Return the source with the train and validation splits of a run with this seed; test stays as it is."""
    seed = seed if data.validation_seed is None else data.validation_seed
    if data.fold is not None:
        return with_fold(source, data.fold, seed)
    if not source.classes:
        return without_classes(source, data, seed)
    return with_validation(source, fraction=data.validation, seed=seed, limit=data.validation_limit)


def without_classes(source: Source, data: DataConfig, seed: int) -> Source:
    """Split validation off train, by the seed and the samples' names alone; no-op if there is one.

    Raises InputError for a single sample.
    """
    train = training_split(source)
    if VALIDATION in source.splits:
        return source
    if len(train) < 2:
        reason = "has only 1 image in train, so none can go to validation"
        raise InputError(source.where, reason, "add images")
    wanted = round(data.validation * len(train))
    count = min(max(1, wanted), data.validation_limit or wanted or 1, len(train) - 1)
    same = np.zeros(len(train), dtype=np.int64)
    return split_off(source, train, choose(same, train.names, np.array([count]), seed))


def with_fold(source: Source, fold: Fold, seed: int) -> Source:
    """Make one fold of all labelled images but test the validation split, and the others train."""
    everything = pool(source)
    return split_off(source, everything, assign(source, fold, seed) == fold.number - 1)


def pool(source: Source) -> Split:
    """Return train and validation, where there is one, as one split in this order."""
    parts = [training_split(source), *([source.splits["validation"]] if "validation" in source.splits else [])]
    if len(parts) == 1:
        return parts[0]
    arrays, files = None, None
    if parts[0].arrays is not None and parts[1].arrays is not None:
        shapes = [part.arrays.shape[1:] for part in parts if part.arrays is not None]
        if shapes[0] != shapes[1]:
            reason = f"has images of {shapes[0]} in train and of {shapes[1]} in validation"
            raise InputError(source.where, reason, "give them one shape, or leave validation out")
        arrays = np.concatenate([part.arrays for part in parts if part.arrays is not None])
    else:
        files = tuple([file for part in parts for file in part.files or ()])
    labels = np.concatenate([part.labels for part in parts])
    return Split(
        labels=labels, names=tuple([name for part in parts for name in part.names]), arrays=arrays, files=files
    )


def assign(source: Source, fold: Fold, seed: int) -> Int64[np.ndarray, " n"]:
    """Return the fold, from 0, of each image of `pool`, or raise InputError where they cannot be divided so.

    scikit-learn divides: StratifiedKFold or KFold, shuffled by the seed; by groups StratifiedGroupKFold, shuffled, or
    GroupKFold, which balances the sizes and knows no seed. Images of several labels are stratified iteratively.
    """
    from sklearn import model_selection

    everything = pool(source)
    groups = _groups(source, everything, fold.group_by) if fold.group_by is not None else None
    _check(source, everything, groups, fold)
    stratified = fold.stratified and bool(source.classes)  # there is nothing else to divide evenly
    if stratified and has_label_sets(everything.labels):
        folds = assign_parts(everything.labels, everything.names, fold.of, seed)
        _check_training(source, everything, folds, fold)
        return folds
    seed %= 2**32
    if groups is None:
        kind = model_selection.StratifiedKFold if stratified else model_selection.KFold
        splitter = kind(fold.of, shuffle=True, random_state=seed)
    elif stratified:
        splitter = model_selection.StratifiedGroupKFold(fold.of, shuffle=True, random_state=seed)
    else:
        splitter = model_selection.GroupKFold(fold.of)
    folds = np.full(len(everything), -1, dtype=np.int64)
    with warnings.catch_warnings():  # a class in fewer groups than folds; what matters of it is checked below
        warnings.simplefilter("ignore", UserWarning)
        labels = everything.labels if stratified else None
        for number, (_, validated) in enumerate(splitter.split(np.zeros(len(everything)), labels, groups)):
            folds[validated] = number
    _check_training(source, everything, folds, fold)
    return folds


def _groups(source: Source, everything: Split, column: str) -> Int64[np.ndarray, " n"]:
    """Return a number for each image that is equal where the values of the column are."""
    from convworks.data.sources.table import column as read

    if source.kind != "csv" or source.path is None:
        reason = f"names the column {column!r}, but {source.where} is no CSV file"
        raise InputError("--group-by", reason, "give --data FILE.csv with the columns path, label and that one")
    values = read(source.path, column)
    numbers = {value: number for number, value in enumerate(sorted(set(values.values())))}
    return np.array([numbers[values[name]] for name in everything.names], dtype=np.int64)


def _check(source: Source, everything: Split, groups: Int64[np.ndarray, " n"] | None, fold: Fold) -> None:
    """Refuse more folds than there are groups, images, or (stratified) images of a class."""
    if groups is not None:
        if (given := len(np.unique(groups))) < fold.of:
            reason = f"{fold.of} are more than the {given} groups of column {fold.group_by!r}"
            raise InputError("--folds", reason, f"choose at most {given}" if given > 1 else "group by another column")
        if fold.stratified and source.multi_label:
            reason = "images of several labels cannot be divided by groups and by classes at once"
            raise InputError("--group-by", reason, "add --plain, which looks at the groups alone")
        return
    if fold.of > len(everything):
        raise InputError("--folds", f"{fold.of} are more than the {len(everything)} images", "choose fewer")
    if not source.classes:
        return
    counts = count(everything.labels, len(source.classes))
    fewest = int(counts.argmin())
    if fold.stratified and counts[fewest] < fold.of:
        reason = f"{fold.of} are more than the images of class {source.classes[fewest]!r} ({counts[fewest]})"
        remedy = f"choose at most {counts[fewest]}" if counts[fewest] > 1 else "add images of it, or remove the class"
        raise InputError("--folds", reason, remedy)


def _check_training(source: Source, everything: Split, folds: Int64[np.ndarray, " n"], fold: Fold) -> None:
    """Refuse a fold that holds all images of a class, which the others could then not learn."""
    for number in range(fold.of):
        if not (folds == number).any():
            reason = f"{fold.of} leave fold {number + 1} empty"
            raise InputError("--folds", reason, "choose fewer folds, or smaller groups")
        if not source.classes:
            continue
        counts = count(everything.labels[folds != number], len(source.classes))
        if (counts == 0).any():
            name = source.classes[int(counts.argmin())]
            reason = f"of {fold.of}, fold {number + 1} holds all images of class {name!r}, so none is left to train on"
            raise InputError("--folds", reason, "divide the class among more groups, or choose another number of folds")
