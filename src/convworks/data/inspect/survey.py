"""Statistics of a source: counts, sizes, channels, formats, damaged files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convworks.data.cache.memory import processors
from convworks.data.column import Arrays, files_of
from convworks.data.config import MAX_PIXELS, DataConfig, Decoding
from convworks.data.decode.decode import Probe, decode, probe
from convworks.data.decode.floats import MODE, decoding_of
from convworks.data.decode.quiet import quiet
from convworks.data.decode.shape import Headers, headers_of, main_split, sample
from convworks.data.inspect.masks import MaskCounts, count_masks, lacking_in_masks, unusable_masks
from convworks.data.labels import count, has_label_sets
from convworks.data.location import Location
from convworks.data.source import Source, Split, lacking_classes
from convworks.data.sources.split_names import ALL, TRAIN
from convworks.errors import InputError

PIECE = 64  # files per task
#: Ratio of other images from which a class counts as rare; higher for label sets, where most images lack a class.
RARE, RARE_AMONG_LABELS = 3, 20


def survey(
    source: Source,
    *,
    decode: bool = False,
    report: Callable[[int, int], None] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Survey:
    """Examine every image of a source, its header or (`decode`) all of it; damaged files are listed, not raised.

    Images of more than `max_pixels` count as damaged.
    """
    decoding = Decoding(max_pixels=max_pixels)
    results = {name: _examine(split, decode, decoding, report) for name, split in source.splits.items()}
    probes = [result for part in results.values() for result in part if isinstance(result, Probe)]
    floats = any(header.mode == MODE for header in probes)
    if floats:
        decoding = decoding_of(DataConfig(source=source.name, max_pixels=max_pixels), source, probes)
        if decode:
            results = {name: _decode_floats(source.splits[name], part, decoding) for name, part in results.items()}
            probes = [result for part in results.values() for result in part if isinstance(result, Probe)]
    main = next(name for name, split in source.splits.items() if split is main_split(source))
    errors = [result for part in results.values() for result in part if isinstance(result, InputError)]
    label_sets = {split: entry for split, entry in source.splits.items() if has_label_sets(entry.labels)}
    damaged = {(error.where, error.reason) for error in errors}
    if source.masked:
        damaged |= {each for split in source.splits.values() for each in unusable_masks(split, decoding)}
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
        widths=_spread([header.width for header in probes]),
        heights=_spread([header.height for header in probes]),
        sizes=_ranked(Counter(f"{header.width}x{header.height}" for header in probes)),
        channels=_ranked(Counter(str(header.channels) for header in probes)),
        formats=_ranked(Counter(header.format for header in probes)),
        several_frames=tuple(
            name
            for split, entry in source.splits.items()
            for name, result in zip(entry.names, results[split], strict=True)
            if isinstance(result, Probe) and result.several_frames
        ),
        decoding=decoding,
        floats=floats,
        headers=headers_of([results[main][index] for index in sample(len(results[main]))], total=len(results[main])),
        masks=count_masks(source, decoding) if source.masked else None,
        damaged=tuple(sorted(damaged)),
        unpaired=tuple([name for each in source.unpaired for name in each.names]),
        left_out=source.left_out,
        lacking={**lacking_classes(source), **lacking_in_masks(source)},
        bytes=sum(_bytes(split) for split in source.splits.values()),
    )


def _examine(
    split: Split, whole: bool, decoding: Decoding, report: Callable[[int, int], None] | None
) -> list[Probe | InputError]:
    """Examine the images of a split, files in threads; the result for a damaged file is its error."""
    if isinstance(split.inputs, Arrays):
        _, height, width, channels = split.inputs.values.shape
        return [Probe(width=width, height=height, channels=channels, mode="uint8", format="array")] * len(split)
    files = split.inputs.files
    pieces = [files[first : first + PIECE] for first in range(0, len(files), PIECE)]
    results: list[Probe | InputError] = []
    with quiet(), ThreadPoolExecutor(processors()) as pool:
        for piece in pool.map(lambda piece: [_examine_file(file, whole, decoding) for file in piece], pieces):
            results += piece
            if report is not None:
                report(len(results), len(files))
    return results


def _examine_file(file: Location, whole: bool, decoding: Decoding) -> Probe | InputError:
    """Examine a file; floating-point pixels are decoded later, once the values of black and white are known."""
    try:
        header = probe(file, max_pixels=decoding.max_pixels)
        if whole and header.mode != MODE:
            decode(file, channels=None, decoding=decoding)
    except InputError as error:
        return error
    return header


def _decode_floats(split: Split, results: Sequence[Probe | InputError], decoding: Decoding) -> list[Probe | InputError]:
    """Decode the files of a split with floating-point pixels; the result for a damaged one is its error."""
    files = files_of(split.inputs)

    def check(index: int) -> Probe | InputError:
        result = results[index]
        if isinstance(result, Probe) and result.mode == MODE:
            try:
                decode(files[index], channels=None, decoding=decoding)
            except InputError as error:
                return error
        return result

    with quiet(), ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(check, range(len(results))))


def _spread(values: list[int]) -> tuple[int, int, int] | None:
    return (min(values), int(np.median(values)), max(values)) if values else None


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _bytes(split: Split) -> int:
    columns = [column for column in (split.inputs, split.targets) if column.spatial is not None]
    return sum(column.values.nbytes if isinstance(column, Arrays) else sum(column.contents()) for column in columns)


@dataclass(frozen=True, kw_only=True)
class Imbalance:
    """The rarest training class compared with the most frequent one or, if that is None, the images without it."""

    split: str
    rarest: str
    count: int
    largest: str | None
    beside: int

    @property
    def ratio(self) -> float:
        """The ratio of the others to this class."""
        return self.beside / self.count


def imbalance(survey: Survey) -> Imbalance | None:
    """Return the imbalance of the training images; None if the ratio is below RARE, or without training images.

    With label sets, the images of a class are compared with those that do not show it.
    """
    split = next((name for name in (TRAIN, ALL) if name in survey.counts), None)
    counts = {name: count for name, count in survey.counts[split].items() if count} if split is not None else {}
    if split is None or len(counts) < 2:
        return None
    rarest = min(counts, key=lambda name: counts[name])
    if split in survey.unlabelled:
        beside = survey.totals[split] - counts[rarest]
        rare = Imbalance(split=split, rarest=rarest, count=counts[rarest], largest=None, beside=beside)
        return rare if rare.ratio >= RARE_AMONG_LABELS else None
    largest = max(counts, key=lambda name: counts[name])
    rare = Imbalance(split=split, rarest=rarest, count=counts[rarest], largest=largest, beside=counts[largest])
    return rare if rare.ratio >= RARE else None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Counts by split and class; (min, median, max) of width and height; other counts with the most frequent first.

    `several_frames` lists the files of which only the first frame or page is used, `decoding` is how files are decoded,
    `floats` whether any has floating-point pixels; `headers` are those of train, else of the first split. `left_out`
    maps the files that are in no split to the reason, `lacking` other splits to the training classes they lack. With
    label sets, `unlabelled` counts the images without labels, and `labels_per_image` is the mean. Where targets
    are masks, `masks` counts their pixels, and `unpaired` are the images that have none.
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
    masks: MaskCounts | None
    damaged: tuple[tuple[str, str], ...]
    unpaired: tuple[str, ...]
    left_out: Mapping[str, str]
    lacking: Mapping[str, list[str]]
    bytes: int

    @property
    def faults(self) -> int:
        """The number of files with which nothing can be trained."""
        return len(self.damaged) + len(self.unpaired)
