"""Whether networks were trained or validated on the images they are evaluated on, according to their bundles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from convworks.data.identity import images_digest, images_digests
from convworks.data.source import Source
from convworks.data.sources.split_names import TRAIN, VALIDATION

IMAGES = "images"  # key in a bundle's record for the checksums of its training and validation images
CHOSEN = "chosen"  # key in a bundle's record for what its run chose on validation; empty for nothing
BOTH = "train and validation"
TRAINED = "the network was trained on these images: expect worse results on new ones"


def images_of(source: Source) -> dict[str, str]:
    """Return the checksums of a run's training and validation images, and of both: a source may not split them."""
    return images_digests(source, {TRAIN: [TRAIN], VALIDATION: [VALIDATION], BOTH: [TRAIN, VALIDATION]})


def seen(records: Iterable[Mapping[str, Any]], source: Source, split: str) -> str | None:
    """Return train if any of the networks was trained on the split, validation if something was chosen on it."""
    return _seen(records, source, split)[0]


def note(records: Iterable[Mapping[str, Any]], source: Source, split: str) -> str:
    """Return why the accuracy on a split is optimistic; empty if nothing says so."""
    part, chosen = _seen(records, source, split)
    if part == TRAIN:
        return TRAINED
    if part == VALIDATION:
        return f"the run selected {chosen} on these images: expect slightly worse results on new ones"
    return ""


def _seen(records: Iterable[Mapping[str, Any]], source: Source, split: str) -> tuple[str | None, str]:
    """Return the part of the training data that the split is, and what was chosen on it."""
    checksums = [(record, record[IMAGES]) for record in records if isinstance(record.get(IMAGES), Mapping)]
    digest = images_digest(source, [split]) if checksums else ""
    if any(digest in (images.get(TRAIN), images.get(BOTH)) for _, images in checksums):
        return TRAIN, ""
    choices = [chosen_on(record) for record, images in checksums if digest == images.get(VALIDATION)]
    chosen = next(filter(None, choices), "")
    return (VALIDATION if chosen else None), chosen


def chosen_on(record: Mapping[str, Any]) -> str:
    """Return what the run of a bundle chose on validation; earlier versions recorded only which epoch was kept."""
    if CHOSEN in record:
        return str(record[CHOSEN])
    return "the epoch" if record.get("kept") == "best" and record.get("epochs") != 1 else ""
