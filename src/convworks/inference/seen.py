"""Whether networks were trained or validated on the images they are evaluated on, according to their bundles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convworks.data.identity import images_digest, images_digests, share_of, sketch
from convworks.data.source import Source
from convworks.data.sources.split_names import TRAIN, VALIDATION

IMAGES = "images"  # key in a bundle's record for the checksums of its training and validation images
SKETCH = "sketch"  # key for the checksums of some of its training images: other sets may share them
CHOSEN = "chosen"  # key in a bundle's record for what its run chose on validation; empty for nothing
BOTH = "train and validation"
TRAINED = "the network was trained on these images: expect worse results on new ones"
#: Share of a split from which it is one of images that the network was trained on.
MOSTLY = 0.5


def images_of(source: Source) -> dict[str, Any]:
    """Return what identifies a run's training and validation images, as entries of its record.

    Checksums of both splits, and of their union, as a source may not split them; and of some training images.
    """
    digests = images_digests(source, {TRAIN: [TRAIN], VALIDATION: [VALIDATION], BOTH: [TRAIN, VALIDATION]})
    return {IMAGES: digests, SKETCH: sketch(source, TRAIN)}


def learnt(records: Iterable[Mapping[str, Any]], source: Source, split: str) -> bool:
    """Return whether any of the networks was trained on most images of a split."""
    return _trained_on(list(records), source, split) >= MOSTLY


def note(records: Iterable[Mapping[str, Any]], source: Source, split: str) -> str:
    """Return why the accuracy on a split is optimistic; empty if nothing says so."""
    known = list(records)
    share = _trained_on(known, source, split)
    if share == 1:
        return TRAINED
    if share:
        return (
            f"the network was trained on about {max(share, 0.01):.0%} of these images: expect worse results on new ones"
        )
    if chosen := _chosen(known, source, split):
        return f"the run selected {chosen} on these images: expect slightly worse results on new ones"
    return ""


def _trained_on(records: Sequence[Mapping[str, Any]], source: Source, split: str) -> float:
    """Return which share of a split one of the networks was trained on: the largest."""
    digests = [record[IMAGES] for record in records if isinstance(record.get(IMAGES), Mapping)]
    digest = images_digest(source, [split]) if digests else ""
    if any(digest in (images.get(TRAIN), images.get(BOTH)) for images in digests):
        return 1.0
    sketches = [record[SKETCH] for record in records if isinstance(record.get(SKETCH), Mapping)]
    return max((share_of(each, source, split) for each in sketches), default=0.0)


def _chosen(records: Sequence[Mapping[str, Any]], source: Source, split: str) -> str:
    """Return what one of the runs chose on a split; empty for nothing."""
    digest = images_digest(source, [split])
    checksums = ((record, record.get(IMAGES)) for record in records)
    choices = [
        chosen_on(record)
        for record, images in checksums
        if isinstance(images, Mapping) and images.get(VALIDATION) == digest
    ]
    return next(filter(None, choices), "")


def chosen_on(record: Mapping[str, Any]) -> str:
    """Return what the run of a bundle chose on validation; earlier versions recorded only which epoch was kept."""
    if CHOSEN in record:
        return str(record[CHOSEN])
    return "the epoch" if record.get("kept") == "best" and record.get("epochs") != 1 else ""
