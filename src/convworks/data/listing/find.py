"""Finding the images that paths name: files, folders, patterns, tar shards, indexes, tables."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from convworks.console import say
from convworks.data.column import files_of
from convworks.data.formats import SUFFIXES
from convworks.data.http.address import is_address
from convworks.data.listing.listing import Cells, Listing, Members, Part, Paths
from convworks.data.listing.names import Names
from convworks.data.listing.tar import list_tar
from convworks.data.location import Location
from convworks.data.shards import source as shards
from convworks.data.shards.byte_range import ByteRange
from convworks.data.shards.index import NAME
from convworks.data.shards.names import TAR, expand, list_shards
from convworks.data.source import Source
from convworks.data.sources.image_names import is_image, looks_like_image
from convworks.data.sources.kinds import open_path
from convworks.data.sources.left_out import MASKS, line, reasons, remedy
from convworks.data.sources.pairs import masks_among
from convworks.data.sources.split_names import ORDER
from convworks.data.sources.walk import match_pattern, walk
from convworks.errors import InputError

#: Files that list images: the index of shards, and tables.
LISTS = (".json", ".csv", ".tsv", ".parquet")


def find(paths: Sequence[str]) -> Listing:
    """Return the images that paths name, each once, in their order; those of a folder in the order of `walk`.

    A path is an image, a folder (searched recursively; one without images may hold tar shards), a pattern with *, ?,
    [...] and **, a tar shard or a pattern of shards such as {000..012}.tar, the index of shards or its http(s)
    address, or a table as in docs/sources.md. Raises InputError for one that names no images.
    """
    parts: list[Part] = []
    named: list[str] = []  # files named one by one, since the last part

    def end_named() -> None:
        if named:
            parts.append(Paths(root=Path(), names=Names.of(named)))
            named.clear()

    for text in paths:
        new = _parts(text)
        if isinstance(new, Path):
            named.append(str(new))
        else:
            end_named()
            parts += new
    end_named()
    listing = Listing(tuple(parts))
    return listing if len(paths) == 1 else listing.distinct()


def _parts(text: str) -> list[Part] | Path:
    """Return the parts of one path, or the file that it names."""
    if not text.strip():
        raise InputError("PATH", "is empty", "give an image, a folder or a pattern")
    path = Path(text)
    if is_address(text):
        return _of_source(shards.open_address(text))
    if os.path.isdir(path):
        return _of_folder(text, path)
    if os.path.lexists(path):
        return _of_file(path)
    if shards.is_pattern(path):
        return [list_tar(Path(name)) for name in expand(text)]
    matches = match_pattern(text)
    if not matches:
        raise InputError(text, "no such file, folder or matching pattern", "check the path")
    tars = itertools.groupby(matches, key=lambda match: match.name.lower().endswith(TAR))
    return [part for is_tar, group in tars for part in _matched(is_tar, group)]


def _matched(is_tar: bool, files: Iterable[Path]) -> Iterator[Part]:
    if is_tar:
        yield from map(list_tar, files)
    else:
        yield Paths(root=Path(), names=Names.of(map(str, files)))


def _of_file(path: Path) -> list[Part] | Path:
    name = path.name.lower()
    if name.endswith(TAR):
        return [list_tar(path)]
    return _of_source(open_path(path)) if name.endswith(LISTS) else path


def _of_folder(text: str, folder: Path) -> list[Part]:
    """Return the images of a folder, of one of pairs without their masks; without any, the members of its shards."""
    unread: list[str] = []
    masks: dict[str, str] = {}
    is_mask = masks_among(folder)

    def images() -> Iterator[str]:
        for name in walk(folder):
            if is_mask is not None and is_image(name) and is_mask(name):
                masks[name] = MASKS
            elif is_image(name):
                yield name
            elif looks_like_image(name):
                unread.append(name)

    names = Names.of(images())
    if len(names):
        if unread or masks:
            say(line(text, {**masks, **reasons(unread)}))
        return [Paths(root=folder, names=names, searched=True)]
    if (folder / NAME).is_file() and shards.recognise(folder):
        return _of_source(shards.open_index(folder / NAME))
    if tars := list_shards(folder):
        return [list_tar(folder / name, folder) for name in tars]
    raise InputError(folder, "contains no images", remedy(walk(folder), f"image files end in {', '.join(SUFFIXES)}"))


def _of_source(source: Source) -> list[Part]:
    """Return the files of all splits of a source; InputError for arrays, which have no files."""
    splits = [source.splits[name] for name in ORDER if name in source.splits]
    files = tuple([file for split in splits for file in files_of(split.inputs)])
    if not files:
        raise InputError(source.where, "has no image files", "give files, a folder or shards")
    members = [file for file in files if isinstance(file, ByteRange)]
    if len(members) < len(files):
        return [Cells(source=source, files=files)]
    folder = source.path if source.path is not None and source.path.is_dir() else None
    groups = itertools.groupby(members, key=lambda member: member.shard)
    return [_members(list(group), folder) for _, group in groups]


def _members(members: list[ByteRange], folder: Path | None) -> Members:
    checksums = [member.crc32 for member in members if member.crc32 is not None]
    return Members(
        shard=members[0].shard,
        names=Names.of(member.member for member in members),
        offsets=np.array([member.offset for member in members], dtype=np.int64),
        sizes=np.array([member.size for member in members], dtype=np.int64),
        crc32=np.array(checksums, dtype=np.int64) if len(checksums) == len(members) else None,
        folder=folder,
    )


def plain_files(locations: Iterable[Location], use: str) -> list[Path]:
    """Return files for work that needs them by their paths; InputError for members of shards and rows of tables."""
    files = []
    for location in locations:
        if not isinstance(location, Path):
            raise InputError(location, f"is not a file of its own, which {use} needs", "unpack it")
        files.append(location)
    return files
