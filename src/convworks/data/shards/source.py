"""Tar shards in the layout of webdataset, local or remote, with or without an index."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from convworks.console import counting
from convworks.data.column import Arrays, Files, Spatial
from convworks.data.http.address import is_address
from convworks.data.http.redirect import objection
from convworks.data.http.remote import read_all
from convworks.data.labels import all_names, number
from convworks.data.shards.byte_range import ByteRange, Shard
from convworks.data.shards.index import NAME, TARGET, Entry, Index, parse_index
from convworks.data.shards.names import TAR, by_split, expand, list_shards, ordered
from convworks.data.shards.tar_index import TarIndex, index_tar
from convworks.data.source import Source, Split
from convworks.data.sources.split_names import ORDER
from convworks.errors import InputError
from convworks.files import check_regular, open_regular, read_bytes

MAKE = "make one with `convworks data SOURCE --pack DIR` where the images are, and put all of DIR there"

LARGEST_INDEX = 1 << 30  # bytes: some ten million samples


def recognise(folder: Path) -> bool:
    """Return whether a folder holds shards or an index of shards."""
    try:
        return bool(list_shards(folder)) or _is_index(folder / NAME)
    except OSError:  # reported when it is opened as class folders
        return False


def is_pattern(path: Path) -> bool:
    """Return whether a path that does not exist is a pattern for several shards."""
    return path.name.endswith(TAR) and "{" in str(path)


def open_folder(folder: Path) -> Source:
    """Open the shards of a folder, by their index if there is one."""
    if (folder / NAME).exists():
        return open_index(folder / NAME)
    return _open_tars(folder, by_split(folder, list_shards(folder)))


def open_pattern(path: Path) -> Source:
    """Open the shards named by a pattern such as train-{000000..000012}.tar, or a single shard."""
    files = [Path(name) for name in expand(str(path))]
    root = Path(os.path.commonpath([file.parent for file in files]))
    return _open_tars(root, by_split(root, [file.relative_to(root).as_posix() for file in files]))


def open_index(path: Path) -> Source:
    """Open shards by the index beside them; for a plain list of local shards (from widsindex), index them first."""
    root = path.parent
    index = parse_index(path, read_bytes(path))
    for entry in index.shards:
        if not is_address(entry.url):
            _check_shard(path, root / entry.url, entry)
    listed = {os.path.normpath(entry.url) for entry in index.shards}
    unlisted = [name for name in list_shards(root) if path.name == NAME and name not in listed]
    if unlisted:
        raise InputError(root / unlisted[0], f"is not in {path}", "move it away, or rebuild the index")
    if index.shards[0].samples is None:
        return _open_list(path, index)
    return _build(
        name=root.resolve().name,
        classes=index.classes,
        shards=index.shards,
        spatial=index.spatial,
        locate=lambda url: url if is_address(url) else root / url,
        where=path,
        path=root,
    )


def open_address(address: str) -> Source:
    """Open shards by the http(s) URL of their index, or of its folder."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise InputError(address, f"is not an address ({error})", "give the http(s) address of an index") from None
    if parts.path.lower().endswith(TAR):
        beside = urljoin(address, NAME)
        raise InputError(address, f"is a shard: over HTTP, give the address of its index ({beside})", MAKE)
    if not parts.path.lower().endswith(".json"):
        folder = parts.path if parts.path.endswith("/") else f"{parts.path}/"
        address = parts._replace(path=folder + NAME).geturl()
    index = parse_index(address, read_all(address, limit=LARGEST_INDEX))
    if index.shards[0].samples is None:
        raise InputError(address, "lists shards without sample offsets", MAKE)
    for entry in index.shards:
        if reason := objection(address, url := urljoin(address, entry.url)):
            raise InputError(address, f"names {url}, {reason}", "rebuild the index")
    return _build(
        name=urlsplit(address).path.split("/")[-2] or urlsplit(address).netloc,
        classes=index.classes,
        shards=index.shards,
        spatial=index.spatial,
        locate=lambda url: urljoin(address, url),
        where=address,
        path=None,
    )


def _is_index(path: Path) -> bool:
    """Return whether a file begins like an index, without reading all of it."""
    try:
        with open_regular(path) as file:
            return b'"shardlist"' in (head := file.read(1 << 16)) or b"wids" in head
    except InputError:
        return False


def _check_shard(index: Path, path: Path, entry: Entry) -> None:
    """Refuse a shard that is missing or whose length differs from the index."""
    try:
        length = path.stat().st_size
    except (OSError, ValueError):
        raise InputError(index, f"names {entry.url}, which does not exist", "fetch it, or pack the set again") from None
    if entry.length is not None and length != entry.length:
        check_regular(path)  # a pipe has a more specific error
        reason = f"has {length:,} bytes, but {entry.length:,} in {index}"
        raise InputError(path, reason, "fetch it again, or rebuild the index")


def _open_list(path: Path, index: Index) -> Source:
    """Open local shards whose index gives only the number of samples of each."""
    root = path.parent
    remote = next((entry.url for entry in index.shards if is_address(entry.url)), None)
    if remote is not None:
        raise InputError(path, f"names {remote} without sample offsets", MAKE)
    counts = {os.path.normpath(entry.url): entry.count for entry in index.shards}
    return _open_tars(root, by_split(root, counts), counts)


def _open_tars(root: Path, splits: dict[str, list[str]], counts: dict[str, int] | None = None) -> Source:
    """Open shards without an index, in one pass over the headers of each."""
    indexes: dict[str, TarIndex] = {}
    total = sum(map(len, splits.values()))
    with counting("looking through shards") as report:
        for name in (name for names in splits.values() for name in names):
            indexes[name] = index_tar(root / name)
            if report is not None:
                report(len(indexes), total)
    for name, count in (counts or {}).items():
        if len(indexes[name].members) != count:
            reason = f"has {len(indexes[name].members):,} samples, but {count:,} in its index"
            raise InputError(root / name, reason, "fetch it again, or rebuild the index")
    _check_one_kind(root, indexes)
    classes = ordered(all_names(label for index in indexes.values() for label in index.labels))
    numbers = {text: position for position, text in enumerate(classes)}
    shards = [_as_entry(root, name, split, indexes[name], numbers) for split, names in splits.items() for name in names]
    return _build(
        name=root.resolve().name,
        classes=classes,
        shards=shards,
        locate=lambda url: root / url,
        where=root,
        path=root,
    )


def _check_one_kind(root: Path, indexes: dict[str, TarIndex]) -> None:
    """Refuse shards in which some images have one class and others a list of classes."""
    seen: dict[bool, str] = {}
    for name, index in indexes.items():
        for member, label in zip(index.members, index.labels, strict=True):
            seen.setdefault(isinstance(label, str), f"{root / name}!{member}")
        if len(seen) > 1:
            reason = f"has a list of classes, {seen[True]} a single one"
            raise InputError(seen[False], reason, "use lists for all samples, or for none")


def _as_entry(root: Path, name: str, split: str, index: TarIndex, numbers: dict[str, int]) -> Entry:
    stem = name.removesuffix(TAR)
    samples = {
        "names": [f"{stem}/{member}" for member in index.members],
        "members": list(index.members),
        "offsets": list(index.offsets),
        "sizes": list(index.sizes),
        "labels": [
            numbers[label] if isinstance(label, str) else [numbers[name] for name in label] for label in index.labels
        ],
    }
    length = (root / name).stat().st_size
    return Entry(url=name, count=len(index.members), length=length, split=split, samples=samples)


def _build(
    *,
    name: str,
    classes: tuple[str, ...],
    shards: Sequence[Entry],
    locate: Callable[[str], Path | str],
    where: Path | str,
    path: Path | None,
    spatial: Spatial | None = None,
) -> Source:
    """Build a source from the samples of all shards, split by split in the order of the index."""
    splits = {}
    for split in ORDER:
        names: list[str] = []
        labels: list[int | Sequence[int]] = []
        files: list[ByteRange] = []
        masks: list[ByteRange] = []
        for entry in shards:
            if entry.split != split or entry.samples is None:
                continue
            shard = Shard(locate(entry.url), entry.length or 0)
            files += _members(shard, entry)
            names += entry.samples["names"]
            if spatial is None:
                labels += entry.samples["labels"]
            else:
                masks += _members(shard, entry, f"{TARGET}_")
        if len(set(names)) < len(names):
            raise InputError(where, f"has samples of one name in two shards of {split}", "rebuild the index")
        if names:
            targets = Arrays(number(labels, len(classes))) if spatial is None else Files(tuple(masks), spatial)
            splits[split] = Split(names=tuple(names), inputs=Files(tuple(files)), targets=targets)
    if not splits:
        raise InputError(where, "contains no samples", "pack the set again")
    address = where if isinstance(where, str) else None
    return Source(name=name, kind="shards", path=path, classes=classes, splits=splits, address=address)


def _members(shard: Shard, entry: Entry, prefix: str = "") -> list[ByteRange]:
    """Return where the images of a shard are, or its targets, whose columns have a prefix."""
    assert entry.samples is not None
    columns = [entry.samples[prefix + column] for column in ("offsets", "sizes", "members")]
    checksums = entry.samples.get(f"{prefix}crc32", [None] * entry.count)
    return [ByteRange(shard, *row) for row in zip(*columns, checksums, strict=True)]
