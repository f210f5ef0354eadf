"""How many pixels of each value every mask of a split has."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from convworks.data.cache.signature import signature_of
from convworks.data.column import IGNORED, Arrays, Coding, Column
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.load_files import Progress, each
from convworks.data.decode.numbers import read_numbers
from convworks.data.formats import NUMPY
from convworks.data.location import read_bytes

VALUES = 256
#: Tallies that are remembered: those of the splits of some sources.
REMEMBERED = 16

Tally = Int64[np.ndarray, "n values"]


def tally(masks: Column, decoding: Decoding = DECODING, report: Progress | None = None) -> Tally:
    """Return how many pixels of each number of a class each mask has; 0 of all for a mask that cannot be read.

    Without a coding, the numbers are the values as stored. Files that have not changed since this process counted them
    are not read again.
    """
    if isinstance(masks, Arrays):
        return counted(masks)
    coding = masks.spatial.coding
    if coding is not None and not coding.coloured:
        stored = tally(replace(masks, spatial=replace(masks.spatial, coding=None)), decoding, report)
        return _numbered(stored, coding)
    signature = signature_of(masks.files, f"tally, {masks.spatial!r}, {decoding!r}")
    if signature is not None:
        with _lock:
            if (known := _known.get(signature)) is not None:
                _known.move_to_end(signature)
                return known
    counts = counted(masks, decoding, report)
    if signature is not None:
        with _lock:
            _known[signature] = counts
            while len(_known) > REMEMBERED:
                _known.popitem(last=False)
    return counts


def counted(masks: Column, decoding: Decoding = DECODING, report: Progress | None = None) -> Tally:
    """Return what `tally` returns, without remembering it."""
    if isinstance(masks, Arrays):
        return np.array([_count(mask) for mask in masks.values], dtype=np.int64).reshape(len(masks), VALUES)
    counts = np.zeros((len(masks), VALUES), dtype=np.int64)

    def add(index: int) -> None:
        file = masks.files[index]
        numpy = file.suffix.lower() == NUMPY
        mask = read_numbers(file, read_bytes(file), numpy=numpy, decoding=decoding, coding=masks.spatial.coding)
        counts[index] = _count(mask)

    each(add, len(masks), report)
    return counts


def _count(mask: np.ndarray) -> Int64[np.ndarray, " values"]:
    return np.bincount(mask.ravel(), minlength=VALUES).astype(np.int64)


def _numbered(stored: Tally, coding: Coding) -> Tally:
    """Return the tally of numbers of classes, from that of stored values; 0 of all for masks with other values."""
    counts = np.zeros_like(stored)
    known = [(value[0], number) for number, value in enumerate(coding.values) if value]
    known += [(value[0], IGNORED) for value in coding.ignored]
    for value, number in known:
        counts[:, number] += stored[:, value]
    counts[counts.sum(1) < stored.sum(1)] = 0
    return counts


_known: OrderedDict[str, Tally] = OrderedDict()
_lock = threading.Lock()
