"""Whether networks were trained or validated on the images they are evaluated on, according to their bundles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from convworks.data.identity import images_digest
from convworks.data.source import Source
from convworks.data.sources.split_names import TRAIN, VALIDATION

IMAGES = "images"  # key in a bundle's record for the checksums of its training and validation images
BOTH = "train and validation"
NOTES = {
    TRAIN: "the network was trained on these images: expect lower accuracy on new ones",
    VALIDATION: "the network's epoch was selected on these images: expect slightly lower accuracy on new ones",
}


def images_of(source: Source) -> dict[str, str]:
    """Return the checksums of a run's training and validation images, and of both: a source may not split them."""
    parts = {TRAIN: [TRAIN], VALIDATION: [VALIDATION], BOTH: [TRAIN, VALIDATION]}
    return {part: images_digest(source, names) for part, names in parts.items()}


def seen(records: Iterable[Mapping[str, Any]], source: Source, split: str) -> str | None:
    """Return train if any of the networks was trained on the split, validation if its epoch was chosen on it."""
    checksums = [(record, record[IMAGES]) for record in records if isinstance(record.get(IMAGES), Mapping)]
    digest = images_digest(source, [split]) if checksums else ""
    if any(digest in (images.get(TRAIN), images.get(BOTH)) for _, images in checksums):
        return TRAIN
    chosen = any(digest == images.get(VALIDATION) and record.get("kept") == "best" for record, images in checksums)
    return VALIDATION if chosen else None
