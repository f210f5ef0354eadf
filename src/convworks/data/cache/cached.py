"""Files decoded once: read from the cache, or added to it; None if the cache cannot hold them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import numpy as np
import PIL
import simplejpeg
import torch

from convworks.console import say
from convworks.data.cache import lock
from convworks.data.cache import store as cache
from convworks.data.cache.signature import digest, signature_of
from convworks.data.cache.store import Entry
from convworks.data.column import COLOURS, Files, Spatial
from convworks.data.decode.load_files import Progress, decode_files, digest_files
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.decode.statistics import Sums
from convworks.data.location import Location, container
from convworks.partial import TEMPORARY

#: Smaller sets decode in about a second, and are not worth caching.
MOST_FILES, MOST_BYTES = 1000, 32 * 2**20
FLUSH = 0.25  # seconds
VERSIONS = f"Pillow {PIL.__version__}, simplejpeg {simplejpeg.__version__}, torch {torch.__version__.partition('+')[0]}"
DECODER = f"3, {VERSIONS}"  # increment when pixels change


def find_or_decode(column: Files, preprocessing: Preprocessing, report: Progress | None = None) -> Entry | None:
    """Return the cache entry of these files: found by paths, sizes and times, or by content, or decoded now.

    None if caching is disabled or pointless, or the disk has no room, which is reported on standard error. One process
    decodes, others wait for it. Raises one InputError that names all damaged files.
    """
    if not cache.in_use():
        return None
    files, recipe = column.files, _recipe(preprocessing, column.spatial)
    signature = signature_of(files, recipe, most_files=MOST_FILES, most_bytes=MOST_BYTES)
    if signature is None:
        return None
    shape = (len(files), *preprocessing.size, preprocessing.channels)
    try:
        cache.folder().mkdir(parents=True, exist_ok=True)
        while True:
            entry = cache.find_by_signature(signature) or _known_by_content(files, recipe, signature)
            if entry is not None:
                cache.touch(entry)
                if report is not None:
                    report(len(files), len(files))
                return entry
            size = int(np.prod(shape, dtype=np.int64)) + cache.SUM.itemsize * shape[0] + cache.PAGE
            if not cache.make_room(size):
                budget = f"the cache's {_megabytes(cache.limit())} ({cache.LIMIT})"
                say(f"{_megabytes(size)} of decoded images are more than {budget}: not cached")
                return None
            with lock.locked(cache.folder() / f"{signature}{TEMPORARY}") as handle:
                if handle is not None:
                    return _build(handle, signature, column, preprocessing, report)
    except OSError as error:  # no room, or no permission: go on without the cache
        say(f"{cache.folder()}: {error.strerror}; the decoded images are not cached")
        return None


def _recipe(preprocessing: Preprocessing, spatial: Spatial) -> str:
    """Describe everything but the files that determines the pixels, and which images are refused."""
    height, width = preprocessing.size
    size = f"{height}x{width}x{preprocessing.channels}"
    # The word share stays: another would name other entries.
    fit = f"{preprocessing.fit}, share {preprocessing.crop_fraction!r}, {preprocessing.decoding!r}"
    return f"{size}, {fit}, decoder {DECODER}{'' if spatial == COLOURS else f', {spatial!r}'}"


def _known_by_content(files: Sequence[Location], recipe: str, signature: str) -> Entry | None:
    """Return the entry of files with the same content at other paths or times; they are read only if one may exist."""
    if not any(entry.shape[0] == len(files) and entry.recipe == recipe for entry in cache.entries()):
        return None
    name = digest(digest_files(files) + recipe.encode())
    entry = cache.open_entry(name)
    if entry is not None:
        cache.remember(signature, name)
    return entry


def _build(
    handle: int, signature: str, column: Files, preprocessing: Preprocessing, report: Progress | None
) -> Entry | None:
    """Decode into a temporary file, which is renamed once it is complete and flushed to disk.

    Images are written, not mapped, which would count as memory of this process.
    """
    files, recipe = column.files, _recipe(preprocessing, column.spatial)
    shape = (len(files), *preprocessing.size, preprocessing.channels)
    facts: dict[str, Any] = {"source": _common_folder(files), "recipe": recipe, "content": "0" * 64}
    longest = cache.header(shape, {**facts, "mean": [0.1**20 / 3] * shape[3], "std": [0.1**20 / 3] * shape[3]})
    start, row = len(longest), int(np.prod(shape[1:]))
    if hasattr(os, "posix_fallocate"):  # a full disk is detected at once
        os.posix_fallocate(handle, 0, start + len(files) * (row + cache.SUM.itemsize))

    sums = Sums(channels=shape[3])
    checksums = np.zeros(len(files), cache.SUM)

    def put(index: int, image: np.ndarray) -> None:
        pixels = np.ascontiguousarray(image).data.cast("B")
        checksums[index] = zlib.crc32(pixels)
        _write(handle, pixels, start + index * row)
        sums.add(image[None])

    with _flushing(handle):
        content = decode_files(column, preprocessing, put, report)
    mean, std = sums.mean_std()
    header = cache.header(shape, {**facts, "content": content.hex(), "mean": mean, "std": std}, length=start)
    _write(handle, checksums.data.cast("B"), start + len(files) * row)
    _write(handle, memoryview(header), 0)
    os.fsync(handle)
    name = digest(content + recipe.encode())
    (cache.folder() / f"{signature}{TEMPORARY}").replace(cache.folder() / f"{name}{cache.SUFFIX}")
    cache.record_written(handle)
    cache.remember(signature, name)
    return cache.open_entry(name)


@contextmanager
def _flushing(handle: int) -> Iterator[None]:
    """Flush the file to disk in the background, so that little remains to be flushed at the end."""
    ended = Event()

    def flush() -> None:
        while not ended.wait(FLUSH):
            os.fsync(handle)

    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(flush)
        try:
            yield
        finally:
            ended.set()
        task.result()  # a disk failure may be reported to this thread only


def _write(handle: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(handle, content, offset)
        content, offset = content[written:], offset + written


def _common_folder(files: Sequence[Location]) -> str:
    """Return the folder that holds all files, for display."""
    try:
        containers = {container(file) for file in files}
        addresses = sorted(path for path in containers if isinstance(path, str))
        if addresses:
            return addresses[0].rpartition("/")[0]
        return os.path.commonpath([os.path.abspath(path) for path in containers]).encode("utf-8", "replace").decode()
    except ValueError:  # on several drives
        return str(container(files[0]))


def _megabytes(size: int) -> str:
    return f"{size / 10**6:,.0f} MB"
