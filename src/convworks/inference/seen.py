"""Whether networks have met the images before that they are measured on, as far as their bundles' records know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from convworks.data.identity import images_digest
from convworks.data.source import Source
from convworks.data.sources.split_names import TRAIN, VALIDATION

IMAGES = "images"  # what the record of a bundle calls the checksums of what it was trained and validated on
BOTH = "train and validation"
NOTES = {
    TRAIN: "the network was trained on these images, and does better on them than on new ones",
    VALIDATION: "the network's epoch was chosen on these images, so it does a little better on them than on new ones",
}


def images_of(source: Source) -> dict[str, str]:
    """Return the checksums of what a run trains and validates on, and of both: a source may not divide them."""
    parts = {TRAIN: [TRAIN], VALIDATION: [VALIDATION], BOTH: [TRAIN, VALIDATION]}
    return {part: images_digest(source, names) for part, names in parts.items()}


def seen(records: Iterable[Mapping[str, Any]], source: Source, split: str) -> str | None:
    """Return train where any of the networks was trained on the split, validation where the split chose its epoch."""
    known = [(record, record[IMAGES]) for record in records if isinstance(record.get(IMAGES), Mapping)]
    digest = images_digest(source, [split]) if known else ""
    if any(digest in (images.get(TRAIN), images.get(BOTH)) for _, images in known):
        return TRAIN
    chosen = any(digest == images.get(VALIDATION) and record.get("kept") == "best" for record, images in known)
    return VALIDATION if chosen else None
