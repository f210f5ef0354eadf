"""The images of a tar shard, labelled or not, from one pass over its headers."""

from __future__ import annotations

import tarfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convworks.data.listing.listing import Members
from convworks.data.listing.names import Names
from convworks.data.shards.byte_range import Shard
from convworks.data.shards.tar_index import IMAGES
from convworks.data.shards.tar_members import BLOCK, cut_short, end_of, tar_members
from convworks.data.sources.image_names import heic_available, is_heic, is_system
from convworks.errors import InputError
from convworks.files import open_regular


def list_tar(path: Path, folder: Path | None = None) -> Members:
    """Return the images of an uncompressed tar, in its order; `folder` is that of all shards, if it was searched.

    Of the files of a sample, which share a name up to the first dot, those with a plain suffix (0001.jpg) are its
    images; without any, those with a compound one (0001.left.jpg). Raises InputError for a damaged or truncated tar,
    and for one without images.
    """
    offsets, sizes = array("q"), array("q")
    compound: list[int] = []

    def images() -> Iterator[str]:
        for member in _files(path):
            kind = _kind(member.name)
            if kind.rpartition(".")[2] in IMAGES and (heic_available() or not is_heic(member.name)):
                if "." in kind:
                    compound.append(len(offsets))
                offsets.append(member.offset_data)
                sizes.append(member.size)
                yield member.name

    names = Names.of(images())
    if not len(names):
        raise InputError(path, "contains no images", "give a tar that holds images")
    where = np.frombuffer(offsets, np.int64), np.frombuffer(sizes, np.int64)
    if compound:
        others = set(compound)
        plain = {_sample(names[index]) for index in range(len(names)) if index not in others}
        beside = {index for index in compound if _sample(names[index]) in plain}
        kept = np.array([index for index in range(len(names)) if index not in beside])
        names, where = Names.of(names[int(index)] for index in kept), (where[0][kept], where[1][kept])
    shard = Shard(path, path.stat().st_size)
    return Members(shard=shard, names=names, offsets=where[0], sizes=where[1], folder=folder)


def _files(path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the files of a tar; those that are hidden or created by an operating system are left out."""
    length, end = path.stat().st_size, 0
    with open_regular(path, buffering=-1) as file:
        for member in tar_members(path, file, length):
            end = end_of(member)
            parts = member.name.split("/")
            if member.isfile() and not parts[-1].startswith(".") and not any(map(is_system, parts)):
                yield member
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):
            raise cut_short(path, end)


def _kind(name: str) -> str:
    """Return the suffixes of a member: all after the first dot of its name."""
    return name.rpartition("/")[2].partition(".")[2].lower()


def _sample(name: str) -> str:
    """Return the name that the files of a sample share."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]
