"""Published weights by name, such as resnet50:imagenet: downloaded once, verified, and cached as a bundle."""

from __future__ import annotations

import os
from pathlib import Path

from convworks.data.home import cache_folder
from convworks.data.http.download import fetch
from convworks.data.source import Report
from convworks.errors import InputError, RunError
from convworks.files import path_from, path_of, read_text
from convworks.models.published.pretrained import IMAGENET_CLASSES, PRETRAINED, Pretrained, find_pretrained

OFFLINE = "without a connection, runs and bundles of your own work, and what `convworks import` makes of a file"
LARGEST = 1 << 30  # bytes; the largest, VGG-19, has 575 million


def is_name(text: str | Path) -> bool:
    """Return whether a text is the name of published weights rather than a path."""
    return ":" in str(text) and not Path(text).exists() and os.sep not in str(text)


def locate(path: str | Path, report: Report | None = None) -> Path:
    """Return the folder of a bundle given by path or by name; a named one is created in the cache if missing."""
    if not is_name(path):
        check_not_published(path, "the folder of a bundle")
        return path_of(path)
    entry = find_pretrained(str(path))
    folder = cache_folder() / "bundles" / str(path).replace(":", "-")
    if not (folder / "bundle.json").is_file():
        weights = fetch_weights(entry, report)
        classes = imagenet_classes(report) if str(path).endswith(":imagenet") else ()
        from convworks.bundle.bundle import save_bundle  # they import torch, which a failed download does not need
        from convworks.bundle.foreign import import_bundle

        save_bundle(folder, import_bundle(weights, entry.name, peer=entry.peer, classes=classes))
    return folder


def check_not_published(path: str | Path, what: str) -> None:
    """Raise InputError for a path that does not exist, but would be the name of published weights with their set."""
    published = [name for name in PRETRAINED if name.partition(":")[0] == str(path)]
    if published and not path_of(path).exists():
        reason = f"does not exist (did you mean {' or '.join(map(repr, published))}?)"
        raise InputError(path, reason, f"give {what}, or the name of published weights")


def fetch_weights(entry: Pretrained, report: Report | None = None) -> Path:
    """Return the file of published weights, from $CONVWORKS_DATA/weights, the cache, or its official URL."""
    local = path_from("CONVWORKS_DATA")
    if local is not None and (local / "weights" / entry.file).is_file():
        return local / "weights" / entry.file
    path = cache_folder() / "weights" / entry.file
    if not path.is_file():
        try:
            fetch(_address(entry.address), path, checksum=f"sha256:{entry.checksum}", limit=LARGEST, report=report)
        except RunError as error:
            raise RunError(error.where, error.reason, f"{error.remedy}; {OFFLINE}") from None
    return path


def imagenet_classes(report: Report | None = None) -> tuple[str, ...]:
    """Return the names of the 1,000 classes of ImageNet, from where weights are, or downloaded once."""
    file = IMAGENET_CLASSES.rpartition("/")[2]
    local = path_from("CONVWORKS_DATA")
    path = cache_folder() / "weights" / file
    if local is not None and (local / "weights" / file).is_file():
        path = local / "weights" / file
    if not path.is_file():
        fetch(_address(IMAGENET_CLASSES), path, checksum=None, limit=1 << 20, report=report)
    return _distinct(read_classes(path))


def read_classes(path: Path) -> tuple[str, ...]:
    """Read class names from a text file, one per line."""
    names = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
    if len(names) < 2:
        raise InputError(path, f"names {len(names)} classes", "write one name per line, at least two")
    return names


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Number repeated names: ImageNet has two classes called crane, and two called maillot."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(distinct)


def _address(address: str) -> str:
    """Return the URL to download from: the official one, or that of the same file on $CONVWORKS_MIRROR."""
    mirror = os.environ.get("CONVWORKS_MIRROR")
    return f"{mirror.rstrip('/')}/weights/{address.rpartition('/')[2]}" if mirror else address
