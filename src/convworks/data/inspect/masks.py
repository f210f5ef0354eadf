"""Statistics of masks: pixels and images of each class, and the masks that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convworks.data.column import IGNORED, Files
from convworks.data.config import Decoding
from convworks.data.decode.load_files import each
from convworks.data.decode.numbers import read_numbers
from convworks.data.decode.sizes import mismatched
from convworks.data.decode.tally import tally
from convworks.data.formats import NUMPY
from convworks.data.location import read_bytes
from convworks.data.source import Source, Split


@dataclass(frozen=True, kw_only=True)
class MaskCounts:
    """By split: the pixels of each class, the images that show it, and the pixels that are ignored."""

    pixels: Mapping[str, Mapping[str, int]]
    images: Mapping[str, Mapping[str, int]]
    ignored: Mapping[str, int]


def count_masks(source: Source, decoding: Decoding) -> MaskCounts:
    """Count the pixels of all masks of a source."""
    counts = {name: tally(split.targets, decoding) for name, split in source.splits.items()}
    k = len(source.classes)
    return MaskCounts(
        pixels={
            name: dict(zip(source.classes, rows[:, :k].sum(0).tolist(), strict=True)) for name, rows in counts.items()
        },
        images={
            name: dict(zip(source.classes, (rows[:, :k] > 0).sum(0).tolist(), strict=True))
            for name, rows in counts.items()
        },
        ignored={name: int(rows[:, IGNORED].sum()) for name, rows in counts.items()},
    )


def unusable_masks(split: Split, decoding: Decoding) -> list[tuple[str, str]]:
    """Return the masks that cannot be read, have values of no class, or another size than their image; and why."""
    masks = split.targets
    damages = mismatched(split, decoding.max_pixels)
    if isinstance(masks, Files):

        def check(index: int) -> None:
            file = masks.files[index]
            numpy = file.suffix.lower() == NUMPY
            read_numbers(file, read_bytes(file), numpy=numpy, decoding=decoding, coding=masks.spatial.coding)

        damages = [*each(check, len(masks)), *damages]
    return [(damage.where, damage.reason) for damage in damages]
