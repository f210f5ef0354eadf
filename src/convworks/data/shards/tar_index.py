"""Offsets and labels of the images in a tar shard, from one pass over its headers, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from convworks.data.cache.signature import state_of
from convworks.data.formats import HEIC, SUFFIXES
from convworks.data.home import NoCacheError, cache_folder
from convworks.data.labels import Names
from convworks.data.shards.tar_members import BLOCK, cut_short, end_of, tar_members
from convworks.data.sources.image_names import is_system
from convworks.errors import InputError
from convworks.files import open_regular
from convworks.signed import Kind, read_signed, write_signed

LABELS = ("cls", "json", "txt")  # the first that a sample has gives its class
FIELDS = ("label", "cls", "class", "labels")  # of a .json; a list in any of them means several classes
VERSION, FORMAT = 2, 1
INDEX = Kind(name="the index of a tar", formats=(FORMAT,), damaged="remove it: the tar is looked through again")
LONGEST = 1 << 16  # bytes of a label
PLAIN = "img"  # suffix of packed images whose files have none
IMAGES = (*(suffix.removeprefix(".") for suffix in SUFFIXES + HEIC), PLAIN)


def index_tar(path: Path) -> TarIndex:
    """List the labelled images of an uncompressed tar in the layout of webdataset; from the cache if it is unchanged.

    Files that share a name up to the first dot form a sample: one image, and its class in .cls, .json or .txt. Raises
    InputError for a damaged or truncated tar, a duplicate name, and a sample without label.
    """
    try:
        identity, *state = state_of(path.resolve())
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the shard and its permissions") from None
    key = {"version": VERSION, "path": identity, "state": state}
    name = hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]
    try:
        cache_path = cache_folder() / "shards" / f"{name}.json"
    except NoCacheError:
        return _read(path, state[0])
    if (cached := _read_cached(cache_path, key)) is not None:
        return cached
    index = _read(path, state[0])
    try:
        cache_path.parent.mkdir(parents=True, exist_ok=True)
        write_signed(cache_path, {"format": FORMAT, **key, **asdict(index)})
    except OSError:  # without a cache, the tar is only read again next time
        pass
    return index


def _read_cached(path: Path, key: dict[str, Any]) -> TarIndex | None:
    try:
        values = read_signed(path, INDEX)
        if any(values[name] != value for name, value in key.items()):
            return None
        columns = {name: tuple(values[name]) for name in ("members", "offsets", "sizes")}
        labels = tuple(tuple(label) if isinstance(label, list) else label for label in values["labels"])
        return TarIndex(**columns, labels=labels, beside=int(values["beside"]))
    except (InputError, ValueError, KeyError, TypeError):
        return None


def _read(path: Path, length: int) -> TarIndex:
    samples: dict[str, dict[str, tarfile.TarInfo]] = {}
    rows, end = [], 0
    with open_regular(path, buffering=-1) as file:
        for member in tar_members(path, file, length):
            end = end_of(member)
            if member.isfile():
                _add(path, samples, member)
            elif (member.islnk() or member.issym()) and member.name.lower().endswith((*IMAGES, *LABELS)):
                reason = f"is a link to {member.linkname} without content"
                raise InputError(f"{path}!{member.name}", reason, "pack with --dereference --hard-dereference")
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):
            raise cut_short(path, end)
        for key, files in samples.items():
            image = _image(path, key, files)
            if image is not None:
                label = _label(path, image.name, files, file)
                rows.append((image.name, image.offset_data, image.size, label))
    if not rows:
        raise InputError(path, f"contains no images ({sum(map(len, samples.values()))} other files)", "remove it")
    members, offsets, sizes, labels = zip(*rows, strict=True)
    others = sum(map(len, samples.values())) - len(rows)
    return TarIndex(members=members, offsets=offsets, sizes=sizes, labels=labels, beside=others)


def _add(path: Path, samples: dict[str, dict[str, tarfile.TarInfo]], member: tarfile.TarInfo) -> None:
    """Add a member to the files of its sample, unless it is hidden or created by an operating system."""
    folder, _, file = member.name.rpartition("/")
    if file.startswith(".") or any(map(is_system, member.name.split("/"))):
        return
    stem, _, kind = file.partition(".")
    files = samples.setdefault(f"{folder}/{stem}", {})
    if kind.lower() in files:
        raise InputError(f"{path}!{member.name}", "is in the shard twice", "keep one, or rename it")
    files[kind.lower()] = member


def _image(path: Path, key: str, files: dict[str, tarfile.TarInfo]) -> tarfile.TarInfo | None:
    """Return the only image of a sample: one with a plain suffix (jpg), else with a compound one (left.jpg)."""
    for images in (
        [files[kind] for kind in files if kind in IMAGES],
        [files[kind] for kind in files if kind.rpartition(".")[2] in IMAGES],
    ):
        if len(images) > 1:
            names = " and ".join(member.name for member in images[:2])
            raise InputError(f"{path}!{images[1].name}", f"is a second image of one sample ({names})", "keep one")
        if images:
            return images[0]
    return None


def _label(path: Path, image: str, files: dict[str, tarfile.TarInfo], file: IO[bytes]) -> Names:
    """Return the name of the class of a sample, or of all its classes."""
    kind = next((kind for kind in LABELS if kind in files), None)
    if kind is None:
        others = ", ".join(f".{kind}" for kind in files if not kind.endswith(IMAGES))
        reason = "has no label: no .cls, .json or .txt beside it" + (f", only {others}" if others else "")
        raise InputError(f"{path}!{image}", reason, "add it, or unpack the archive and give the folder")
    where = f"{path}!{files[kind].name}"
    if files[kind].size > LONGEST:
        raise InputError(
            where, f"has {files[kind].size:,} bytes, which is not a label", "it must contain the class only"
        )
    file.seek(files[kind].offset_data)
    content: bytes = file.read(files[kind].size)
    try:
        text = content.decode("utf-8-sig").strip()
        if kind == "json":
            values = json.loads(text)
            fields = values if isinstance(values, dict) else {"label": values}
            value = next((fields[name] for name in FIELDS if name in fields), None)
            if isinstance(value, list) and all(map(_is_name, value)):
                return tuple(map(str, value))
            text = str(value) if _is_name(value) else ""
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"is not a label ({error})", "it must contain the class only") from None
    if not text:
        problem = f"names none of {', '.join(FIELDS)}" if kind == "json" else "is empty"
        raise InputError(where, f"{problem}, so its image has no label", "add the class")
    return text


def _is_name(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class TarIndex:
    """The images of a shard: names, offsets and sizes in bytes, class names; and the number of other files."""

    members: tuple[str, ...]
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    labels: tuple[Names, ...]
    beside: int
