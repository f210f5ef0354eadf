"""Sources: where images and labels come from, before decoding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from convworks.data.column import Arrays, Column
from convworks.data.labels import UNLABELLED, Labels, count, has_label_sets, present
from convworks.data.sources.split_names import ALL, TRAIN, VALIDATION
from convworks.data.split.stratify import choose_stratified
from convworks.errors import InputError, nearest

Report = Callable[[str, int, int], None]  # what is being worked on, done, total (bytes)


def with_validation(source: Source, *, fraction: float, seed: int, limit: int | None) -> Source:
    """Split `fraction` of train (or of all), at most `limit` images, off as validation; no-op if it exists.

    The choice is stratified by class and depends on the seed and the sample names alone. Every class keeps at least one
    sample on both sides, even if `limit` is smaller than the number of classes; with label sets, as far as possible.
    """
    check_classes(source)
    if "validation" in source.splits:
        return source
    train = require_train(source)
    if not 0 < fraction < 1:
        raise InputError("validation fraction", f"must lie between 0 and 1, not {fraction}", "0.1 is usual")
    if limit is not None and limit < 1:
        raise InputError("validation limit", f"must be at least 1, not {limit}", "leave it out for no limit")
    counts = count(train.labels, len(source.classes))
    for name, images in zip(source.classes, counts, strict=True):
        if images < 2:
            reason = f"class {name!r} has only {images} image in train, too few for a validation split"
            raise InputError(source.where, reason, f"add images to {name!r}, or remove the class")
    chosen = choose_stratified(
        train.labels, train.names, len(source.classes), fraction=fraction, limit=limit, seed=seed
    )
    return split_off(source, train, chosen)


def split_off(source: Source, split: Split, validated: Bool[np.ndarray, " n"]) -> Source:
    """Return a source with a split divided into train and validation, replacing existing ones."""
    splits = {TRAIN: split.select(np.flatnonzero(~validated)), VALIDATION: split.select(np.flatnonzero(validated))}
    others = {name: part for name, part in source.splits.items() if name not in (ALL, *splits)}
    return replace(source, splits={**splits, **others})


def require_train(source: Source) -> Split:
    """Return the images of a labelled source to train on: train, or all; raises InputError if there are none."""
    if not source.classes:
        raise InputError(
            source.where,
            "holds images without class folders",
            "sort them into one folder per class, or train without labels: "
            "convworks train autoencoder/convolutional --data ...",
        )
    return training_split(source)


def require_labels(source: Source, remedy: str) -> None:
    """Raise InputError for a source whose targets are images: its samples have no labels."""
    if source.spatial:
        raise InputError(source.where, "has images as targets, not labels", remedy)


def require_single_labels(source: Source, what: str, remedy: str) -> None:
    """Raise InputError for a multi-label source; `what` needs single labels."""
    if source.multi_label:
        raise InputError(source.where, f"is multi-label, but {what} needs single labels", remedy)


def training_split(source: Source) -> Split:
    """Return the images to train on, labelled or not: train, or all of an undivided source."""
    for name in (TRAIN, ALL):
        if name in source.splits:
            return source.splits[name]
    raise InputError(source.where, f"has only {' and '.join(source.splits)}, no train", "add a train split")


def check_classes(source: Source) -> None:
    """Refuse training splits with fewer than two classes, and classes of other splits that train lacks."""
    if not source.labelled or not {TRAIN, ALL} & source.splits.keys():
        return
    shown = {name: set(present(split.labels).tolist()) for name, split in source.splits.items()}
    trained = set(present(training_split(source).labels).tolist())
    if len(trained) < 2:
        only = ", ".join(repr(source.classes[label]) for label in trained)
        reason = f"has {len(trained)} class in train ({only}), at least 2 are needed"
        raise InputError(source.where, reason, "add a folder or label for another class")
    for split, labels in shown.items():
        unknown = [source.classes[label] for label in sorted(labels - trained)]
        lacking = [source.classes[label] for label in sorted(trained - labels)]
        if unknown:
            reason = f"{split} has class {unknown[0]!r}, which is not in train{nearest(unknown[0], lacking)}"
            raise InputError(source.where, reason, f"add it to train, or remove it from {split}")


def lacking_classes(source: Source) -> dict[str, list[str]]:
    """Map each split that has no image of some training class to the names of these classes."""
    if not source.labelled or TRAIN not in source.splits:
        return {}
    trained = set(present(source.splits[TRAIN].labels).tolist())
    lacking = {name: sorted(trained - set(present(split.labels).tolist())) for name, split in source.splits.items()}
    return {name: [source.classes[label] for label in labels] for name, labels in lacking.items() if labels}


def number_names(split: str, count: int) -> tuple[str, ...]:
    """Name the samples of an array: `test/00042`."""
    return tuple([f"{split}/{index:05d}" for index in range(count)])


@dataclass(frozen=True, kw_only=True)
class Split:
    """A split of a source, before decoding: the names of its samples, what a network reads, and what it should give."""

    names: tuple[str, ...]
    inputs: Column
    targets: Column

    def __post_init__(self) -> None:
        """Check that there is one input and one target for each name."""
        if not len(self.names) == len(self.inputs) == len(self.targets):
            lengths = f"names={len(self.names)}, inputs={len(self.inputs)} and targets={len(self.targets)}"
            raise ValueError(f"{lengths} must agree")

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.names)

    @property
    def labels(self) -> Labels:
        """The label of each sample (data/labels.py); -1 where the targets are spatial, and no sample has one."""
        if isinstance(self.targets, Arrays) and self.targets.spatial is None:
            return self.targets.values
        return np.full(len(self), UNLABELLED, dtype=np.int64)

    def with_labels(self, labels: Labels) -> Split:
        """Return the samples with other labels."""
        return replace(self, targets=Arrays(labels))

    def targets_as_inputs(self) -> Split:
        """Return the split whose inputs are the spatial targets: what decodes inputs decodes them."""
        return replace(self, inputs=self.targets)

    def select(self, indices: Int[np.ndarray, " m"]) -> Split:
        """Return the samples at `indices`, in that order."""
        names = tuple([self.names[i] for i in indices])
        return Split(names=names, inputs=self.inputs.select(indices), targets=self.targets.select(indices))


@dataclass(frozen=True)
class Unpaired:
    """Images without masks in a folder: where their masks should be, their names, and how many images there are."""

    folder: Path
    names: tuple[str, ...]
    images: int


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set: classes, and splits named "train", "validation" and "test", or only "all" if it is undivided.

    Images without classes have `classes == ()` and labels -1. `path` is None for a source that is not on disk, which
    may have an `address` (URL). `left_out` maps the names of files that belong to no split to the reason. Of a table,
    `split_columns` name the splits, `fold_column` is the one of its cross-validation folds, and `unused_columns` are
    those of no use. `unpaired` are images without masks, which only what looks for faults may pass over
    (sources/open.py).
    """

    name: str
    kind: str
    path: Path | None
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    left_out: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str | None = None
    split_columns: tuple[str, ...] = ()
    fold_column: str | None = None
    unused_columns: tuple[str, ...] = ()
    unpaired: tuple[Unpaired, ...] = ()

    @property
    def labelled(self) -> bool:
        """Return whether samples have classes to be divided by; those with masks have not."""
        return bool(self.classes) and not self.spatial

    @property
    def spatial(self) -> bool:
        """Return whether the targets are images, such as masks."""
        return any(split.targets.spatial is not None for split in self.splits.values())

    @property
    def masked(self) -> bool:
        """Return whether the targets are masks: images of numbers of classes."""
        columns = [split.targets.spatial for split in self.splits.values()]
        return bool(columns) and all(spatial is not None and spatial.nearest for spatial in columns)

    @property
    def multi_label(self) -> bool:
        """Return whether images have label sets instead of exactly one label."""
        return any(has_label_sets(split.labels) for split in self.splits.values())

    @property
    def where(self) -> str:
        """The source as named in messages: its path or URL, else its name."""
        return str(self.path) if self.path is not None else self.address or self.name
