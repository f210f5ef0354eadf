"""What is in a source: counts, sizes, channels, formats, damaged files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convworks.data.cache.memory import processors
from convworks.data.config import MAX_PIXELS, DataConfig, Decoding
from convworks.data.decode.decode import Probe, decode, probe
from convworks.data.decode.floats import MODE, decoding_of
from convworks.data.decode.quiet import quiet
from convworks.data.decode.shape import Headers, headers_of, main_split, sample
from convworks.data.labels import count, has_label_sets
from convworks.data.location import Location, byte_size
from convworks.data.source import Source, Split, lacking_classes
from convworks.data.sources.split_names import ALL, TRAIN
from convworks.errors import InputError

PIECE = 64  # files a task
#: From so many times as many others on, a class counts as rare; among several an image most answers are no anyway.
RARE, RARE_AMONG_LABELS = 3, 20


def survey(
    source: Source,
    *,
    decode: bool = False,
    report: Callable[[int, int], None] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Survey:
    """Look at every image of a source, the header or (`decode`) all of it; list damaged files, do not raise.

    Images of more than `max_pixels` count as damaged.
    """
    decoding = Decoding(max_pixels=max_pixels)
    seen = {name: _look(split, decode, decoding, report) for name, split in source.splits.items()}
    floats = any(isinstance(look, Probe) and look.mode == MODE for looks in seen.values() for look in looks)
    if floats:
        probes = tuple(look for looks in seen.values() for look in looks if isinstance(look, Probe))
        decoding = decoding_of(DataConfig(source=source.name, max_pixels=max_pixels), source, probes)
        if decode:
            seen = {name: _decode_floats(source.splits[name], looks, decoding) for name, looks in seen.items()}
    main = next(name for name, split in source.splits.items() if split is main_split(source))
    looks = [look for each in seen.values() for look in each]
    probes = tuple(look for look in looks if isinstance(look, Probe))
    label_sets = {split: entry for split, entry in source.splits.items() if has_label_sets(entry.labels)}
    damaged = sorted((error.where, error.reason) for error in looks if isinstance(error, InputError))
    return Survey(
        name=source.name,
        kind=source.kind,
        path=source.path,
        classes=source.classes,
        counts={
            split: dict(zip(source.classes, count(entry.labels, len(source.classes)).tolist(), strict=True))
            for split, entry in source.splits.items()
        },
        totals={split: len(entry) for split, entry in source.splits.items()},
        unlabelled={split: int((~entry.labels.any(1)).sum()) for split, entry in label_sets.items()},
        labels_per_image={split: float(entry.labels.sum(1).mean()) for split, entry in label_sets.items()},
        widths=_spread([found.width for found in probes]),
        heights=_spread([found.height for found in probes]),
        sizes=_ranked(Counter(f"{found.width}x{found.height}" for found in probes)),
        channels=_ranked(Counter(str(found.channels) for found in probes)),
        formats=_ranked(Counter(found.format for found in probes)),
        several_frames=tuple(
            name
            for split, entry in source.splits.items()
            for name, look in zip(entry.names, seen[split], strict=True)
            if isinstance(look, Probe) and look.several_frames
        ),
        decoding=decoding,
        floats=floats,
        headers=headers_of([seen[main][index] for index in sample(len(seen[main]))], total=len(seen[main])),
        damaged=tuple(damaged),
        left_out=source.left_out,
        lacking=lacking_classes(source),
        bytes=sum(_bytes(split) for split in source.splits.values()),
    )


def _look(
    split: Split, whole: bool, decoding: Decoding, report: Callable[[int, int], None] | None
) -> list[Probe | InputError]:
    """Look at the images of a split, files by threads; an error stands in the place of its file."""
    if split.arrays is not None:
        _, height, width, channels = split.arrays.shape
        return [Probe(width=width, height=height, channels=channels, mode="uint8", format="array")] * len(split)
    files = split.files or ()
    pieces = [files[first : first + PIECE] for first in range(0, len(files), PIECE)]
    looks: list[Probe | InputError] = []
    with quiet(), ThreadPoolExecutor(processors()) as pool:
        for piece in pool.map(lambda piece: [_look_at(file, whole, decoding) for file in piece], pieces):
            looks += piece
            if report is not None:
                report(len(looks), len(files))
    return looks


def _look_at(file: Location, whole: bool, decoding: Decoding) -> Probe | InputError:
    """Look at a file; floating-point pixels can only be decoded when it is known what black and white are."""
    try:
        found = probe(file, max_pixels=decoding.max_pixels)
        if whole and found.mode != MODE:
            decode(file, channels=None, decoding=decoding)
    except InputError as error:
        return error
    return found


def _decode_floats(split: Split, looks: Sequence[Probe | InputError], decoding: Decoding) -> list[Probe | InputError]:
    """Decode the files of a split that have floating-point pixels; an error takes the place of a damaged one."""

    def one(index: int) -> Probe | InputError:
        look = looks[index]
        if isinstance(look, Probe) and look.mode == MODE and split.files is not None:
            try:
                decode(split.files[index], channels=None, decoding=decoding)
            except InputError as error:
                return error
        return look

    with quiet(), ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(one, range(len(looks))))


def _spread(values: list[int]) -> tuple[int, int, int] | None:
    return (min(values), int(np.median(values)), max(values)) if values else None


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _bytes(split: Split) -> int:
    if split.arrays is not None:
        return split.arrays.nbytes
    return sum(map(byte_size, split.files or ()))


@dataclass(frozen=True, kw_only=True)
class Imbalance:
    """The rarest class to train on, and what it is rare beside: the most frequent, or (None) the images without it."""

    split: str
    rarest: str
    count: int
    largest: str | None
    beside: int

    @property
    def ratio(self) -> float:
        """How many times as many the others are."""
        return self.beside / self.count


def imbalance(found: Survey) -> Imbalance | None:
    """Return the imbalance of the training images; None of less than RARE times, or without training images.

    A class of which images show any number is rare beside the images that do not show it.
    """
    split = next((name for name in (TRAIN, ALL) if name in found.counts), None)
    counts = {name: count for name, count in found.counts[split].items() if count} if split is not None else {}
    if split is None or len(counts) < 2:
        return None
    rarest = min(counts, key=lambda name: counts[name])
    if split in found.unlabelled:
        beside = found.totals[split] - counts[rarest]
        rare = Imbalance(split=split, rarest=rarest, count=counts[rarest], largest=None, beside=beside)
        return rare if rare.ratio >= RARE_AMONG_LABELS else None
    largest = max(counts, key=lambda name: counts[name])
    rare = Imbalance(split=split, rarest=rarest, count=counts[rarest], largest=largest, beside=counts[largest])
    return rare if rare.ratio >= RARE else None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found: counts by split and class; (least, median, greatest) width and height; most frequent first.

    `several_frames` names the files of which only the first frame or page is used, `decoding` is how files are decoded,
    `floats` whether any has floating-point pixels; `headers` are those of train, or of the first split without one.
    `left_out` are the files that are in no split, with the reason, `lacking` the classes that splits beside train lack.
    Where images have any number of labels, `unlabelled` counts those without, and `labels_per_image` is the mean.
    """

    name: str
    kind: str
    path: Path | None
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    totals: Mapping[str, int]
    unlabelled: Mapping[str, int]
    labels_per_image: Mapping[str, float]
    widths: tuple[int, int, int] | None
    heights: tuple[int, int, int] | None
    sizes: Mapping[str, int]
    channels: Mapping[str, int]
    formats: Mapping[str, int]
    several_frames: tuple[str, ...]
    decoding: Decoding
    floats: bool
    headers: Headers
    damaged: tuple[tuple[str, str], ...]
    left_out: Mapping[str, str]
    lacking: Mapping[str, list[str]]
    bytes: int
