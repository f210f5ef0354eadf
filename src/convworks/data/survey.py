"""What is in a source: counts, sizes, channels, formats, damaged files; and a contact sheet to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from convworks.data.decode import Probe, convert, decode, open_image, probe
from convworks.data.memory import processors
from convworks.data.place import Place, byte_size
from convworks.data.preprocess import fit_image
from convworks.data.quiet import quiet
from convworks.data.source import Source, Split
from convworks.errors import InputError
from convworks.files import atomic

ROWS, COLUMNS = 10, 10
TILE, GAP, MARGIN, TITLE = 96, 6, 16, 40  # pixels
LABEL = 180  # widest column of class names
PAPER, INK, FAINT = (255, 255, 255), (34, 34, 34), (208, 208, 208)
PIECE = 64  # files a task


def survey(source: Source, *, decode: bool = False, report: Callable[[int, int], None] | None = None) -> Survey:
    """Look at every image of a source, the header or (`decode`) all of it; list damaged files, do not raise."""
    looks = [look for split in source.splits.values() for look in _look(split, decode, report)]
    probes = [look for look in looks if isinstance(look, Probe)]
    damaged = sorted((error.where, error.reason) for error in looks if isinstance(error, InputError))
    return Survey(
        name=source.name,
        kind=source.kind,
        path=source.path,
        classes=source.classes,
        counts={
            split: {name: int((entry.labels == label).sum()) for label, name in enumerate(source.classes)}
            for split, entry in source.splits.items()
        },
        totals={split: len(entry) for split, entry in source.splits.items()},
        widths=_spread([found.width for found in probes]),
        heights=_spread([found.height for found in probes]),
        sizes=_ranked(Counter(f"{found.width}x{found.height}" for found in probes)),
        channels=_ranked(Counter(str(found.channels) for found in probes)),
        formats=_ranked(Counter(found.format for found in probes)),
        damaged=tuple(damaged),
        ignored=source.ignored,
        bytes=sum(_bytes(split) for split in source.splits.values()),
    )


def write_contact_sheet(source: Source, path: Path) -> None:
    """Write a PNG of up to 10 classes by 10 examples, evenly spread over the training set (else the first split)."""
    split = source.splits.get("train") or next(iter(source.splits.values()))
    rows = _rows(source, split)
    font = ImageFont.load_default(15)
    rows = [(_shorten(name, font), count, indices) for name, count, indices in rows]
    widest = max(int(font.getlength(text)) for name, count, _ in rows for text in (name, f"{count:,}"))
    left = MARGIN + (widest + MARGIN if source.classes else 0)
    width = left + COLUMNS * (TILE + GAP) - GAP + MARGIN
    sheet = Image.new("RGB", (width, TITLE + MARGIN + len(rows) * (TILE + GAP) - GAP + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), _title(source, split, len(rows)), INK, ImageFont.load_default(20))
    for row, (name, count, indices) in enumerate(rows):
        top = TITLE + MARGIN + row * (TILE + GAP)
        if name:
            draw.text((MARGIN, top + TILE // 2 - 18), name, INK, font)
            draw.text((MARGIN, top + TILE // 2 + 2), f"{count:,}", (128, 128, 128), font)
        for column, index in enumerate(indices):
            sheet.paste(_tile(split, index), (left + column * (TILE + GAP), top))
    with atomic(path) as file:
        sheet.save(file, format="PNG", optimize=True)


def _look(split: Split, whole: bool, report: Callable[[int, int], None] | None) -> list[Probe | InputError]:
    """Look at the images of a split, files by threads; an error stands in the place of its file."""
    if split.arrays is not None:
        _, height, width, channels = split.arrays.shape
        return [Probe(width=width, height=height, channels=channels, mode="uint8", format="array")] * len(split)
    files = split.files or ()
    pieces = [files[first : first + PIECE] for first in range(0, len(files), PIECE)]
    looks: list[Probe | InputError] = []
    with quiet(), ThreadPoolExecutor(processors()) as pool:
        for piece in pool.map(lambda piece: [_look_at(file, whole) for file in piece], pieces):
            looks += piece
            if report is not None:
                report(len(looks), len(files))
    return looks


def _look_at(file: Place, whole: bool) -> Probe | InputError:
    try:
        found = probe(file)
        if whole:
            decode(file, channels=None)
    except InputError as error:
        return error
    return found


def _spread(values: list[int]) -> tuple[int, int, int] | None:
    return (min(values), int(np.median(values)), max(values)) if values else None


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _bytes(split: Split) -> int:
    if split.arrays is not None:
        return split.arrays.nbytes
    return sum(map(byte_size, split.files or ()))


def _rows(source: Source, split: Split) -> list[tuple[str, int, list[int]]]:
    """Choose the examples: for each row its class name, the size of the class, and indices into the split."""
    if not source.classes:
        chosen = _spaced(np.arange(len(split)), ROWS * COLUMNS)
        return [("", len(split), chosen[first : first + COLUMNS]) for first in range(0, len(chosen), COLUMNS)]
    rows = []
    for label in _spaced(np.arange(len(source.classes)), ROWS):
        members = np.flatnonzero(split.labels == label)
        rows.append((source.classes[label], len(members), _spaced(members, COLUMNS)))
    return rows


def _spaced(values: np.ndarray, count: int) -> list[int]:
    """Return at most `count` of the values, evenly spaced."""
    if len(values) <= count:
        return [int(value) for value in values]
    return [int(values[len(values) * place // count]) for place in range(count)]


def _title(source: Source, split: Split, rows: int) -> str:
    split_name = next(name for name, entry in source.splits.items() if entry is split)
    if not source.classes:
        return f"{source.name}: {len(split):,} images without classes"
    some = f"{rows} of {len(source.classes)}" if rows < len(source.classes) else f"{len(source.classes)}"
    return f"{source.name}, {split_name}: {len(split):,} images, {some} classes"


def _shorten(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    while font.getlength(name) > LABEL and len(name) > 1:
        name = name.removesuffix("…")[:-1] + "…"
    return name


def _tile(split: Split, index: int) -> Image.Image:
    """Draw one example: small images in whole steps without blur, large ones cropped; damaged ones as a cross."""
    try:
        image = _picture(split, index)
    except InputError:
        cross = Image.new("RGB", (TILE, TILE), PAPER)
        draw = ImageDraw.Draw(cross)
        draw.rectangle((0, 0, TILE - 1, TILE - 1), outline=FAINT)
        draw.line((0, 0, TILE - 1, TILE - 1), FAINT)
        draw.line((0, TILE - 1, TILE - 1, 0), FAINT)
        return cross
    times = TILE // max(image.size)
    if times > 1:
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
        return fit_image(image, (TILE, TILE), "pad")
    return fit_image(image, (TILE, TILE), "crop")


def _picture(split: Split, index: int) -> Image.Image:
    if split.files is not None and split.files[index].suffix.lower() != ".npy":
        return open_image(split.files[index], channels=3, at_least=(TILE, TILE))
    arrays = [decode(split.files[index], channels=None)] if split.files is not None else split.arrays
    assert arrays is not None
    array = arrays[0 if split.files is not None else index]
    shown = array if array.shape[2] == 3 else array[:, :, 0]  # of other channel counts, the first is shown
    return convert(Image.fromarray(np.ascontiguousarray(shown)), 3)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found: counts by split and class; (least, median, greatest) width and height; most frequent first."""

    name: str
    kind: str
    path: Path | None
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    totals: Mapping[str, int]
    widths: tuple[int, int, int] | None
    heights: tuple[int, int, int] | None
    sizes: Mapping[str, int]
    channels: Mapping[str, int]
    formats: Mapping[str, int]
    damaged: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    bytes: int
