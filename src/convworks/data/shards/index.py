"""The index of shards: JSON with the location of every sample, for random access.

It extends the index of `wids`, the indexed reader of webdataset (`shardlist` with url, md5sum, nsamples and filesize),
by the classes and, for each shard, its split and the columns names, members, offsets, sizes, labels and CRC-32 of its
samples. A label is the number of a class, or a list of such numbers for multi-label images. An index with a `format`
ends with its own checksum; those of other programs and of earlier versions have none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from convworks.data.column import IGNORED, LARGEST, Coding, Spatial
from convworks.data.sources.split_names import ORDER
from convworks.errors import InputError
from convworks.signed import is_sealed, sealed

KIND, VERSION, FORMAT = "wids-shard-index-v1", 1, 2
NAME = "index.json"
#: Columns that locate a member of a shard; those of a target that is an image begin with TARGET.
LOCATIONS, TARGET = ("members", "offsets", "sizes", "crc32"), "target"
TEXTS = ("names", "members", f"{TARGET}_members")
AGAIN = "fetch the index again, or pack the set again"


def parse_index(where: object, content: bytes) -> Index:
    """Parse an index, or raise InputError; a shard without `samples` is listed but not indexed."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"is damaged JSON ({error})", AGAIN) from None
    if not isinstance(values, dict) or not isinstance(values.get("shardlist"), list) or not values["shardlist"]:
        raise InputError(
            where, "lists no shards", "give an index of `convworks data SOURCE --pack DIR`, or of widsindex"
        )
    form = values.get("format")
    if form is not None and form != FORMAT:
        reason = f"has format {form!r}, this version reads {FORMAT}, and indexes without one"
        raise InputError(where, reason, f"use the version of convworks that wrote it, or {AGAIN}")
    if form == FORMAT and not is_sealed(content):
        raise InputError(where, "was modified (checksum mismatch)", AGAIN)
    classes = values.get("classes", [])
    if not _all(classes, str) or len(set(classes)) < len(classes):
        raise InputError(where, "has a damaged class list", AGAIN)
    spatial = _spatial(where, values.get("targets"), len(classes))
    entries = tuple([_entry(where, entry, len(classes), spatial) for entry in values["shardlist"]])
    seen: set[str] = set()
    for entry in entries:
        if entry.url in seen:
            raise InputError(where, f"lists the shard {entry.url} twice", AGAIN)
        seen.add(entry.url)
    if len({entry.samples is None for entry in entries}) > 1:
        raise InputError(where, "describes the content of some shards only", AGAIN)
    labels = [entry.samples.get("labels", []) for entry in entries if entry.samples]
    if len({type(label) for column in labels for label in column[:1]}) > 1:
        raise InputError(where, "has a single class per image in some shards, a list of classes in others", AGAIN)
    return Index(classes=tuple(classes), shards=entries, spatial=spatial)


def columns_of(spatial: Spatial | None) -> tuple[str, ...]:
    """Return the columns of the samples of a shard: with a label each, or with a member for each target."""
    if spatial is None:
        return ("names", "members", "offsets", "sizes", "labels", "crc32")
    return ("names", *LOCATIONS, *(f"{TARGET}_{column}" for column in LOCATIONS))


def write_index(name: str, classes: Sequence[str], shards: Sequence[Entry], spatial: Spatial | None = None) -> bytes:
    """Return an index as JSON; the same input gives the same bytes."""
    entries = []
    for shard in shards:
        facts = {"url": shard.url, "md5sum": shard.md5sum, "nsamples": shard.count, "filesize": shard.length}
        entries.append({**facts, "split": shard.split, "samples": shard.samples})
    kind = {"__kind__": KIND, "wids_version": VERSION, "format": FORMAT}
    targets = {} if spatial is None else {"targets": asdict(spatial)}
    return sealed({**kind, "name": name, "classes": list(classes), **targets, "shardlist": entries})


def _spatial(where: object, values: Any, classes: int) -> Spatial | None:
    """Check what an index says of targets that are images; None if it says nothing, and samples have labels."""
    if values is None:
        return None
    damaged = InputError(where, "has damaged facts about its targets", AGAIN)
    try:
        spatial = TypeAdapter(Spatial).validate_python(values)
    except ValidationError:
        raise damaged from None
    if spatial.coding is not None and not (
        spatial.nearest and spatial.fill == IGNORED and _codes(spatial.coding, classes)
    ):
        raise damaged
    if not 0 <= spatial.fill <= 255:
        raise InputError(where, f"has the fill {spatial.fill} outside its targets, not 0 to 255", AGAIN)
    return spatial


def _codes(coding: Coding, classes: int) -> bool:
    """Return whether a coding has one value for each class, and all are numbers or all colours, of 8 bits, once."""
    values = [value for value in (*coding.values, *coding.ignored) if value]
    return (
        len(coding.values) == classes <= IGNORED
        and {len(value) for value in values} in ({1}, {3})
        and all(0 <= number <= LARGEST for value in values for number in value)
        and len(set(values)) == len(values)
    )


def _entry(where: object, entry: Any, classes: int, spatial: Spatial | None) -> Entry:
    """Check one shard of an index."""
    url = entry.get("url") if isinstance(entry, dict) else None
    if not isinstance(url, str) or not url:
        raise InputError(where, "lists a shard without url", AGAIN)
    count, length, split = entry.get("nsamples"), entry.get("filesize"), entry.get("split")
    if not _all([count, *([length] if length is not None else [])], int) or (split is not None and split not in ORDER):
        raise InputError(where, f"has damaged facts about {url}", AGAIN)
    samples = entry.get("samples")
    if samples is not None:
        if length is None or split is None:
            raise InputError(where, f"does not give the length or the split of {url}", AGAIN)
        _check(where, url, samples, count, length, classes, spatial)
    return Entry(url=url, count=count, length=length, split=split, samples=samples, md5sum=entry.get("md5sum", ""))


def _check(
    where: object, url: str, samples: Any, count: int, length: int, classes: int, spatial: Spatial | None
) -> None:
    """Check the columns of a shard: complete, within the shard, with valid labels and unique names."""
    reason = ""
    for column in sorted(columns_of(spatial), key=lambda column: column in TEXTS):
        kind = str if column in TEXTS else int
        values: Any = samples.get(column) if isinstance(samples, dict) else None
        if not _all(values, kind) and not (column == "labels" and _all_lists(values)):
            reason = f"has no column {column} of {kind.__name__} for {url}"
        elif len(values) != count:
            reason = f"has {len(values):,} {column} for the {count:,} samples of {url}"
        if reason:
            raise InputError(where, reason, AGAIN)
    starts = [column for column in columns_of(spatial) if column.endswith("offsets")]
    offsets = np.array([samples[column] for column in starts], dtype=np.int64)
    sizes = np.array([samples[column.replace("offsets", "sizes")] for column in starts], dtype=np.int64)
    column = samples.get("labels", [])
    labels = np.array([n for label in column for n in label] if _all_lists(column) else column, dtype=np.int64)
    if count and (min(offsets.min(), sizes.min()) < 0 or (offsets + sizes).max() > length):
        reason = f"has samples outside the {length:,} bytes of {url}"
    elif len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        reason = f"has labels outside its {classes} classes, in {url}"
    elif len(set(samples["names"])) < count:
        duplicate = next(name for index, name in enumerate(samples["names"]) if name in samples["names"][:index])
        reason = f"has the sample {duplicate} twice, in {url}"
    if reason:
        raise InputError(where, reason, AGAIN)


def _all(values: Any, kind: type) -> bool:
    """Return whether `values` is a list of only `kind`: text, or integers that fit into 63 bits."""
    if not isinstance(values, list) or not set(map(type, values)) <= {kind}:
        return False
    return kind is not int or not values or -(2**62) < min(values) <= max(values) < 2**62


def _all_lists(values: Any) -> bool:
    """Return whether `values` is a non-empty list of lists of integers."""
    return isinstance(values, list) and bool(values) and all(_all(value, int) for value in values)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A shard in an index: URL or path, number of samples, length in bytes, split, and columns of its samples."""

    url: str
    count: int
    length: int | None
    split: str | None
    samples: dict[str, Any] | None
    md5sum: str = ""


@dataclass(frozen=True, kw_only=True)
class Index:
    """The content of an index; `spatial` says what targets are if they are images instead of labels."""

    classes: tuple[str, ...]
    shards: tuple[Entry, ...]
    spatial: Spatial | None = None
