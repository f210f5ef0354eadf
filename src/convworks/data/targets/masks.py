"""Masks as targets: the number of the class of every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from convworks.data.column import IGNORED, Coding
from convworks.data.config import DataConfig
from convworks.data.decode.tally import counted, tally
from convworks.data.labels import finder
from convworks.data.source import Source, Split, training_split
from convworks.data.sources.class_table import Value
from convworks.data.sources.ignoring import coding_of, recoded
from convworks.data.sources.split_names import TEST, TRAIN
from convworks.data.split.folds import divide
from convworks.data.targets.target import Target
from convworks.errors import InputError

#: Masks that are looked through at once for one of which a pixel counts: nearly always the first has some.
PIECE = 64
GIVE = "give images with masks (docs/segmentation.md)"


def read(source: Source) -> Source:
    """Return a source of masks; raises InputError without masks, and for masks of train that show one class or none."""
    if not source.spatial or not all(_numbers(split) for split in source.splits.values()):
        reason = "has images as targets" if source.spatial else "has no masks, the targets of a network that segments"
        raise InputError(source.where, reason, GIVE)
    for name, split in source.splits.items():
        _refuse_others(source, name, split)
        _refuse_white(source, f"the masks of {name}", split)
    pixels = pixels_of(source, training_split(source))
    shown = [name for name, count in zip(source.classes, pixels.tolist(), strict=True) if count]
    if not shown:
        reason = "all pixels of the masks of train are ignored, or no mask can be read"
        raise InputError(source.where, reason, "name another class in data.ignore, or correct the masks")
    if len(shown) < 2:
        only = f"one class ({shown[0]})" if source.classes != (str(IGNORED),) else f"{IGNORED} alone"
        reason = f"the masks of train show {only}, at least 2 classes are needed"
        raise InputError(source.where, reason, "add images that show another")
    return source


def _refuse_others(source: Source, name: str, split: Split) -> None:
    """Raise InputError for numbers in masks that are no classes, where no coding has refused them."""
    others = np.argwhere(tally(split.targets)[:, len(source.classes) : IGNORED])
    if len(others):
        index, number = others[0].tolist()
        reason = f"has the number {number + len(source.classes)} in the mask of {split.names[index]} ({name})"
        raise InputError(source.where, reason, f"number the {len(source.classes)} classes from 0")


def _refuse_white(source: Source, whose: str, split: Split) -> None:
    """Raise InputError for masks of 0 and 255 alone where train has no 255: their objects would be ignored."""
    coding, train = coding_of(split), source.splits.get(TRAIN, split)
    if coding is None or coding.ignored != ((IGNORED,),) or (0,) not in coding.values or train is split:
        return
    shown = np.flatnonzero(tally(split.targets).sum(0)).tolist()
    if shown == [coding.values.index((0,)), IGNORED] and not tally(train.targets)[:, IGNORED].any():
        reason = f"{whose} show 0 and {IGNORED} alone, but those of train have no {IGNORED}"
        raise InputError(source.where, reason, "give both the same numbers")


def divided(source: Source, data: DataConfig, seed: int) -> Source:
    """Return the source with the splits of a run; raises InputError for one in whose masks no pixel counts.

    A run that ended with such a split could not be measured.
    """
    result = divide(source, data, seed)
    for name, split in result.splits.items():
        if _uncounted(split, len(source.classes)):
            reason = f"all pixels of the masks of {name} are ignored"
            without = ", or leave that split out: --set data.test=false" if name == TEST else ""
            raise InputError(source.where, reason, f"correct them{without}")
    return result


def _uncounted(split: Split, classes: int) -> bool:
    """Return whether masks can be read, and no pixel of them is of a class."""
    readable = False
    for first in range(0, len(split), PIECE):
        counts = counted(split.targets.select(np.arange(first, min(first + PIECE, len(split)))))
        if counts[:, :classes].any():
            return False
        readable = readable or bool(counts.any())
    return readable


def pixels_of(source: Source, split: Split) -> Int64[np.ndarray, " k"]:
    """Return the number of pixels of each class of a source in a split."""
    counts: np.ndarray = tally(split.targets)[:, : len(source.classes)].sum(0)
    return counts


def counts(source: Source) -> Int64[Tensor, " k"]:
    """Return the number of pixels of each class in the masks of train."""
    return torch.from_numpy(pixels_of(source, training_split(source)))


def match(source: Source, split: Split, classes: Sequence[str]) -> Split:
    """Return a split whose masks number the classes of a network, matched by name; classes that they lack are absent.

    Raises InputError without masks, and for pixels of a class that the network does not know: where masks have 0 and
    255 alone, 255 is a class, not what is ignored.
    """
    if not _numbers(split):
        raise InputError(source.where, "has no masks to compare with", f"{GIVE}, or use `convworks predict`")
    coding = coding_of(split)
    if coding is None:
        if tuple(source.classes) != tuple(classes):
            reason = f"has masks of the classes {', '.join(source.classes)}"
            raise InputError(source.where, reason, f"the bundle's are {', '.join(classes)}")
        return split
    _refuse_white(source, "the masks to compare with", split)
    pixels = pixels_of(source, split)
    find = finder(classes)
    values: list[Value] = [() for _ in classes]
    unknown = []
    for name, value, count in zip(source.classes, coding.values, pixels.tolist(), strict=True):
        place = find(name)
        if place is not None:
            values[place] = value
        elif count:
            unknown.append(name)
    if unknown == [str(IGNORED)] and set(coding.values) <= {(0,), (IGNORED,)}:
        reason = f"has masks of 0 and {IGNORED} alone, but the bundle's classes are {', '.join(classes[:10])}"
        remedy = f"save the numbers of its classes, or name these in classes.csv: {IGNORED} is then ignored"
        raise InputError(source.where, reason, remedy)
    if unknown:
        reason = f"has masks with classes unknown to the bundle: {', '.join(unknown[:5])}"
        raise InputError(source.where, reason, f"the bundle's classes: {', '.join(classes[:10])}")
    return recoded(split, Coding(values=tuple(values), ignored=coding.ignored))


def _numbers(split: Split) -> bool:
    return split.targets.spatial is not None and split.targets.spatial.nearest


#: A class for every pixel.
MASKS = Target(read=read, divide=divided, counts=counts, match=match)
