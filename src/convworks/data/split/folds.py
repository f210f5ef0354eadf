"""Training and validation images of a run: a fraction split off, or a cross-validation fold."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Int64

from convworks.data.column import Arrays, join
from convworks.data.config import DataConfig, Fold
from convworks.data.labels import count, has_label_sets
from convworks.data.source import Source, Split, split_off, training_split, with_validation
from convworks.data.sources.split_names import TRAIN, VALIDATION
from convworks.data.split.stratify import assign_parts, choose
from convworks.errors import InputError, counted

#: Suffixes of tables, whose columns group images.
TABLES = (".csv", ".tsv")


def divide(source: Source, data: DataConfig, seed: int) -> Source:
    """Return the source with the train and validation splits of a run with this seed; test is unchanged."""
    seed = seed if data.validation_seed is None else data.validation_seed
    if data.fold is not None:
        return with_fold(source, data.fold, seed)
    if not source.labelled:
        return without_classes(source, data, seed)
    return with_validation(source, fraction=data.validation, seed=seed, limit=data.validation_limit)


def held_out(before: Source, after: Source, data: DataConfig, seed: int) -> str:
    """Describe the validation split that `divide` made; empty if the source has one of its own."""
    if data.fold is None and VALIDATION in before.splits:
        return ""
    seed = seed if data.validation_seed is None else data.validation_seed
    images, train = len(after.splits[VALIDATION]), len(after.splits[TRAIN])
    count = f"{images:,} of {counted(images + train, 'image')}"
    if data.fold is None:
        return f"{count} held out of train, {'stratified' if after.labelled else 'at random'}, seed {seed}"
    fold = data.fold
    how = [f"seed {seed}"] if fold.column is None else [f"column {fold.column}"]
    how = [*([f"grouped by {fold.group_by}"] if fold.group_by else []), *how]
    how = [*(["stratified"] if fold.stratified and after.labelled and fold.column is None else []), *how]
    return f"{count}, fold {fold.number} of {fold.of}, {', '.join(how)}"


def named_by_columns(source: Source) -> str:
    """Describe the validation split that columns of a table name; empty where none does."""
    if VALIDATION not in source.splits or not source.split_columns:
        return ""
    images = len(source.splits[VALIDATION])
    columns = f"column{'s' if len(source.split_columns) > 1 else ''} {' and '.join(source.split_columns)}"
    return f"{images:,} of {counted(images + len(training_split(source)), 'image')}, {columns}"


def without_classes(source: Source, data: DataConfig, seed: int) -> Source:
    """Split validation off train, by the seed and the sample names alone; no-op if there is a validation split.

    Raises InputError for a single sample.
    """
    train = training_split(source)
    if VALIDATION in source.splits:
        return source
    if len(train) < 2:
        reason = "has only 1 image in train, too few for a validation split"
        raise InputError(source.where, reason, "add images")
    target = round(data.validation * len(train))
    count = min(max(1, target), data.validation_limit or target or 1, len(train) - 1)
    one_class = np.zeros(len(train), dtype=np.int64)
    return split_off(source, train, choose(one_class, train.names, np.array([count]), seed))


def with_fold(source: Source, fold: Fold, seed: int) -> Source:
    """Make one fold of all images outside test the validation split, and the others train."""
    pooled = pool(source)
    return split_off(source, pooled, assign(source, fold, seed) == fold.number - 1)


def pool(source: Source) -> Split:
    """Concatenate train and validation, if there is one, into one split."""
    parts = [training_split(source), *([source.splits["validation"]] if "validation" in source.splits else [])]
    if len(parts) == 1:
        return parts[0]
    shapes = [part.inputs.values.shape[1:] for part in parts if isinstance(part.inputs, Arrays)]
    if len(set(shapes)) > 1:
        reason = f"has images of {shapes[0]} in train and of {shapes[1]} in validation"
        raise InputError(source.where, reason, "give them one shape, or leave validation out")
    return Split(
        names=tuple([name for part in parts for name in part.names]),
        inputs=join([part.inputs for part in parts]),
        targets=join([part.targets for part in parts]),
    )


def assign(source: Source, fold: Fold, seed: int) -> Int64[np.ndarray, " n"]:
    """Return the fold, from 0, of each image of `pool`; raises InputError if they cannot be divided so.

    Uses scikit-learn: StratifiedKFold or KFold, shuffled by the seed; for groups StratifiedGroupKFold, shuffled, or
    GroupKFold, which balances the sizes and ignores the seed. Multi-label images are stratified iteratively.
    """
    from sklearn import model_selection

    pooled = pool(source)
    if fold.column is not None:
        return _of_column(source, pooled, fold)
    groups = _groups(source, pooled, fold.group_by) if fold.group_by is not None else None
    _check(source, pooled, groups, fold)
    stratified = fold.stratified and source.labelled  # without classes there are no strata
    if stratified and has_label_sets(pooled.labels):
        folds = assign_parts(pooled.labels, pooled.names, fold.of, seed)
        _check_training(source, pooled, folds, fold)
        return folds
    seed %= 2**32
    if groups is None:
        kind = model_selection.StratifiedKFold if stratified else model_selection.KFold
        splitter = kind(fold.of, shuffle=True, random_state=seed)
    elif stratified:
        splitter = model_selection.StratifiedGroupKFold(fold.of, shuffle=True, random_state=seed)
    else:
        splitter = model_selection.GroupKFold(fold.of)
    folds = np.full(len(pooled), -1, dtype=np.int64)
    with warnings.catch_warnings():  # a class in fewer groups than folds, checked below
        warnings.simplefilter("ignore", UserWarning)
        labels = pooled.labels if stratified else None
        for number, (_, validated) in enumerate(splitter.split(np.zeros(len(pooled)), labels, groups)):
            folds[validated] = number
    _check_training(source, pooled, folds, fold)
    return folds


def fold_count(source: Source) -> int:
    """Return how many folds the column of folds of a source has, outside test; InputError unless at least two."""
    assert source.fold_column is not None
    count = int(_groups(source, pool(source), source.fold_column).max()) + 1
    if count < 2:
        reason = f"has a single fold in its column {source.fold_column!r}"
        raise InputError(source.where, reason, "number at least two, or draw them: --folds 5")
    return count


def _of_column(source: Source, pooled: Split, fold: Fold) -> Int64[np.ndarray, " n"]:
    """Return the fold, from 0, of each image as a column of its table has it."""
    assert fold.column is not None
    folds = _groups(source, pooled, fold.column)
    count = int(folds.max()) + 1
    if count != fold.of or count < 2:
        remedy = f"choose {count}" if count > 1 else "choose another column"
        raise InputError("data.fold", f"{fold.of} are not the {count} folds of column {fold.column!r}", remedy)
    _check_training(source, pooled, folds, fold)
    return folds


def _groups(source: Source, pooled: Split, column: str) -> Int64[np.ndarray, " n"]:
    """Return the group of each image: a number for each value of the column, in order (2 before 10)."""
    from convworks.data.sources import pair_table, table

    if source.path is None or source.path.suffix.lower() not in TABLES:
        reason = f"names the column {column!r}, but {source.where} is not a CSV file"
        columns = "image, mask" if source.masked else "path, label"
        raise InputError("--group-by", reason, f"give --data FILE.csv with the columns {columns} and that one")
    values = (pair_table if source.masked else table).column(source.path, column)
    groups = [values[name] for name in pooled.names]
    ordered = sorted(set(groups), key=int if all(map(str.isdecimal, groups)) else str)
    numbers = {value: number for number, value in enumerate(ordered)}
    return np.array([numbers[value] for value in groups], dtype=np.int64)


def _check(source: Source, pooled: Split, groups: Int64[np.ndarray, " n"] | None, fold: Fold) -> None:
    """Refuse more folds than there are groups, images, or (stratified) images of a class."""
    if groups is not None:
        if (available := len(np.unique(groups))) < fold.of:
            reason = f"{fold.of} are more than the {available} groups of column {fold.group_by!r}"
            remedy = f"choose at most {available}" if available > 1 else "group by another column"
            raise InputError("--folds", reason, remedy)
        if fold.stratified and source.multi_label:
            reason = "multi-label images cannot be divided by group and by class at once"
            raise InputError("--group-by", reason, "add --plain to divide by group only")
        return
    if fold.of > len(pooled):
        raise InputError("--folds", f"{fold.of} are more than the {len(pooled)} images", "choose fewer")
    if not source.labelled:
        return
    counts = count(pooled.labels, len(source.classes))
    fewest = int(counts.argmin())
    if fold.stratified and counts[fewest] < fold.of:
        reason = f"{fold.of} are more than the images of class {source.classes[fewest]!r} ({counts[fewest]})"
        remedy = f"choose at most {counts[fewest]}" if counts[fewest] > 1 else "add images of it, or remove the class"
        raise InputError("--folds", reason, remedy)


def _check_training(source: Source, pooled: Split, folds: Int64[np.ndarray, " n"], fold: Fold) -> None:
    """Refuse a fold that is empty, or that holds all images of a class, leaving none to train on."""
    for number in range(fold.of):
        if not (folds == number).any():
            reason = f"{fold.of} leave fold {number + 1} empty"
            raise InputError("--folds", reason, "choose fewer folds, or smaller groups")
        if not source.labelled:
            continue
        counts = count(pooled.labels[folds != number], len(source.classes))
        if (counts == 0).any():
            name = source.classes[int(counts.argmin())]
            reason = f"of {fold.of}, fold {number + 1} holds all images of class {name!r}, so none is left to train on"
            raise InputError("--folds", reason, "divide the class among more groups, or choose another number of folds")
